package bindings

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// What it costs to tell the owner of an export with many bindings how they are,
// without what the informers cost.
func BenchmarkStandings(b *testing.B) {
	const bindings = 10000
	all := make([]*apisv1alpha2.APIBinding, bindings)
	for i := range all {
		all[i] = &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "b", Annotations: map[string]string{logicalcluster.AnnotationKey: fmt.Sprintf("w%d", i)}}}
		all[i].Status.BoundResources = []apisv1alpha2.BoundAPIResource{{Group: "example.io", Resource: "widgets", Schema: apisv1alpha2.BoundAPIResourceSchema{Name: "a", UID: "a"}}}
	}
	resource := &apisv1alpha2.ResourceSchema{Group: "example.io", Name: "widgets", Schema: "a"}
	rolled := &publicationv1alpha1.ResourceRollout{Group: "example.io", Resource: "widgets", Schema: "b", Percent: ptr.To[int32](50)}
	r := &rolling{rollout: &publicationv1alpha1.SchemaRollout{}, ResourceRollout: rolled}
	for b.Loop() {
		var standings []standing
		for _, binding := range all {
			aim := aimOf(resource, r, logicalcluster.From(binding), nil)
			standings = append(standings, standingOf(binding, &binding.Status.BoundResources[0], aim, aim.schema))
		}
		progressOf(rolled, standings, func(name logicalcluster.Name) string { return name.String() })
	}
}
