package bindings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
