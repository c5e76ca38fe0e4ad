package bindings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestForecast(t *testing.T) {
	key := logicalcluster.Key{Workspace: "compute", Name: "acme"}
	for name, tc := range map[string]struct {
		properties string
		versions   []string
		accept     string
		want       []string
	}{
		"compatible": {withColour, []string{"v1", "v2"}, "", nil},
		"for objects": {sizeText, []string{"v1", "v2"}, "", []string{`widgets.example.io: of 3 of 3 bindings, those whose objects are in the way would stay at the schema that they have, ` +
			`and not be moved to "b.widgets.example.io": v1 .spec.size: its type was integer and is string; v2 .spec.size: its type was integer and is string ` +
			`(to move them in any case, annotate the APIExport with apis.atrium.io/accept-incompatible: b.widgets.example.io)`}},
		"for clients": {sizeOnly, []string{"v1"}, "", []string{`widgets.example.io: 3 of 3 bindings would stay at the schema that they have, and not be moved to "b.widgets.example.io": ` +
			`v2: this version was served and is not any more (to move them in any case, annotate the APIExport with apis.atrium.io/accept-incompatible: b.widgets.example.io)`}},
		"accepted": {sizeOnly, []string{"v1"}, "b.widgets.example.io", nil},
		"unreadable": {sizeOnly, []string{"v2"}, "b.widgets.example.io", []string{`widgets.example.io: of 3 of 3 bindings, those whose objects are in the way would stay at the schema that they have, ` +
			`and not be moved to "b.widgets.example.io": v1: objects may be stored in this version, which the new schema does not have: keep it, with served: false`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme", widget("a", sizeOnly, "v1", "v2"))
			w.tenants(3)
			w.settle()
			w.schemas.Put("compute", widget("b", tc.properties, tc.versions...))
			w.accept(tc.accept)
			var f Forecast
			if got := f.OfExport("compute", nil); got != nil {
				t.Errorf("before there is a hub: %v", got)
			}
			f.keeper.Store(w.keeper)
			export, _ := w.exports.Get(key)
			written := export.DeepCopy()
			written.Spec.Resources[0].Schema = "b.widgets.example.io"
			if diff := cmp.Diff(tc.want, f.OfExport("compute", written)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			w.percent(0)
			rollout := w.rollout().DeepCopy()
			if got := f.OfRollout("compute", rollout); got != nil {
				t.Errorf("of nobody: %v", got)
			}
			rollout.Spec.Resources[0].Percent = nil
			if diff := cmp.Diff(tc.want, f.OfRollout("compute", rollout)); diff != "" {
				t.Errorf("warnings of a rollout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverruled(t *testing.T) {
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{
		{Group: "example.io", Name: "gadgets", Schema: "a.gadgets.example.io"},
		{Group: "example.io", Name: "widgets", Schema: "b.widgets.example.io"},
	}
	forgotten := `widgets.example.io: SchemaRollout "next" is about all workspaces and names "a.widgets.example.io": "b.widgets.example.io" has no effect until you change or delete it`
	for name, tc := range map[string]struct {
		export, resource, schema string
		percent                  *int32
		selector                 *metav1.LabelSelector
		want                     []string
	}{
		"forgotten":                   {"acme", "widgets", "a.widgets.example.io", nil, nil, []string{forgotten}},
		"forgotten, with its percent": {"acme", "widgets", "a.widgets.example.io", ptr.To[int32](100), nil, []string{forgotten}},
		"under way":                   {"acme", "widgets", "a.widgets.example.io", ptr.To[int32](99), nil, nil},
		"for some":                    {"acme", "widgets", "a.widgets.example.io", nil, &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "one"}}, nil},
		"promoted":                    {"acme", "widgets", "b.widgets.example.io", nil, nil, nil},
		"of another export":           {"other", "widgets", "a.widgets.example.io", nil, nil, nil},
		"of another resource":         {"acme", "gizmos", "a.gizmos.example.io", nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			rollout := &publicationv1alpha1.SchemaRollout{ObjectMeta: metav1.ObjectMeta{Name: "next"}}
			rollout.Spec.Export.Name = tc.export
			rollout.Spec.Resources = []publicationv1alpha1.ResourceRollout{
				{Group: "example.io", Resource: tc.resource, Schema: tc.schema, Percent: tc.percent, WorkspaceSelector: tc.selector},
			}
			if diff := cmp.Diff(tc.want, overruled(export, []*publicationv1alpha1.SchemaRollout{rollout})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
