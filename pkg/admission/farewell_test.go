package admission

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/warning"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// bindingsOf is a forecast for those that delete.
type bindingsOf struct {
	forecast
	bindings int
}

func (f bindingsOf) BindingsOf(logicalcluster.Key) int { return f.bindings }

type warnings []string

func (w *warnings) AddWarning(_, text string) { *w = append(*w, text) }

// Who deletes what others live on is told what becomes of them.
func TestFarewells(t *testing.T) {
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "databases"}}
	export.Spec.Identity = &apisv1alpha2.Identity{SecretRef: &corev1.SecretReference{Namespace: "kcp-system", Name: "databases"}}
	published := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{
		Name: "databases-x", Annotations: map[string]string{publicationv1alpha1.PublicationAnnotationKey: "root:platform:databases"},
	}}
	exports, bindings := apisv1alpha2.SchemeGroupVersion.WithResource("apiexports"), apisv1alpha2.SchemeGroupVersion.WithResource("apibindings")
	alice, hub := &user.DefaultInfo{Name: "alice"}, &user.DefaultInfo{Name: "hub", Groups: []string{user.SystemPrivilegedGroup}}
	for name, c := range map[string]struct {
		old      runtime.Object
		resource schema.GroupVersionResource
		by       user.Info
		bound    int
		want     warnings
	}{
		"an export that is bound": {export, exports, alice, 2, warnings{
			`APIExport "databases" has 2 bindings, which keep what they have but are out of reach of its controllers; made again, it has them back only with its old identity: keep secret kcp-system/databases`,
		}},
		"an export that nobody has bound":   {export, exports, alice, 0, nil},
		"an export that goes with all else": {export, exports, hub, 2, nil},
		"a published binding": {published, bindings, alice, 0, warnings{
			`publication "root:platform:databases" made APIBinding "databases-x", and makes it again if it maintains it; the objects of its resources here are deleted in any case`,
		}},
		"a published binding that the hub takes back": {published, bindings, hub, 0, nil},
		"a binding that somebody made":                {&apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, bindings, alice, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got warnings
			ctx := warning.WithWarningRecorder(context.Background(), &got)
			a := admission.NewAttributesRecord(nil, c.old, schema.GroupVersionKind{}, "", "it", c.resource, "", admission.Delete, &metav1.DeleteOptions{}, false, c.by)
			for _, plugin := range []admission.ValidationInterface{NewEvolution(bindingsOf{bindings: c.bound}), NewPublications(nil, nil)} {
				if err := plugin.Validate(ctx, a, nil); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
