package crds

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// What was written counts until the informer has it, whichever is first.
func TestAhead(t *testing.T) {
	key := logicalcluster.Key{Workspace: "w", Name: "a.example.io"}
	at := func(version, kind string) *apiextensionsv1.CustomResourceDefinition {
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: key.Name, UID: "u", ResourceVersion: version}}
		crd.Status.AcceptedNames.Kind = kind
		return crd
	}
	for name, tc := range map[string]struct {
		informer *apiextensionsv1.CustomResourceDefinition // when the write returns
		events   []*apiextensionsv1.CustomResourceDefinition
		want     string
		left     int
	}{
		"written first":        {informer: at("1", "Old"), want: "New", left: 1},
		"event before answer":  {informer: at("2", "New"), want: "New"},
		"event after answer":   {informer: at("1", "Old"), events: []*apiextensionsv1.CustomResourceDefinition{at("2", "New")}, want: "New"},
		"an older event":       {informer: at("0", "Older"), events: []*apiextensionsv1.CustomResourceDefinition{at("1", "Old")}, want: "New", left: 1},
		"overtaken by another": {informer: at("1", "Old"), events: []*apiextensionsv1.CustomResourceDefinition{at("3", "Newest")}, want: "Newest"},
		"deleted":              {informer: at("1", "Old"), events: []*apiextensionsv1.CustomResourceDefinition{nil}},
		"gone already":         {},
	} {
		t.Run(name, func(t *testing.T) {
			current := tc.informer
			a := ahead{written: map[logicalcluster.Key]*apiextensionsv1.CustomResourceDefinition{}}
			a.wrote(key, at("2", "New"), func(logicalcluster.Key) (*apiextensionsv1.CustomResourceDefinition, bool) {
				return current, current != nil
			})
			for _, event := range tc.events {
				current = event
				a.observe(key, event)
			}
			got := ""
			if current != nil {
				got = a.latest("w", []*apiextensionsv1.CustomResourceDefinition{current})[0].Status.AcceptedNames.Kind
			}
			if got != tc.want || len(a.written) != tc.left {
				t.Errorf("kind %q with %d remembered, want %q with %d", got, len(a.written), tc.want, tc.left)
			}
		})
	}
}
