package bindings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// sliceText is what a slice says: addresses, and what is wrong.
func (w *world) sliceText(workspace logicalcluster.Name, name string) []string {
	slice, found := w.endpoints.Get(logicalcluster.Key{Workspace: workspace, Name: name})
	if !found {
		return []string{"none"}
	}
	var out []string
	for _, endpoint := range slice.Status.APIExportEndpoints {
		out = append(out, endpoint.URL)
	}
	for _, kind := range []conditionsv1alpha1.ConditionType{apisv1alpha2.APIExportValid, apisv1alpha1.PartitionValid} {
		if c := conditionsv1alpha1.Get(slice.Status.Conditions, kind); c == nil || c.Status != "True" {
			out = append(out, c.Reason+" "+c.Message)
		}
	}
	return out
}

func (w *world) putSlice(name string, reference apisv1alpha2.ExportBindingReference, partition string) {
	w.endpoints.Put("web", &apisv1alpha1.APIExportEndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: apisv1alpha1.APIExportEndpointSliceSpec{APIExport: reference, Partition: partition},
	})
}

func TestEndpointSlices(t *testing.T) {
	const url = "https://hub.example.io:6443/services/apiexport/compute/acme"
	acme := apisv1alpha2.ExportBindingReference{Path: "root:compute", Name: "acme"}
	missing := `APIExportNotFound APIExport "acme" not found in workspace "root:compute": create it, or delete this slice`
	for name, test := range map[string]struct {
		do        func(*world)
		made, own []string
	}{
		"an export":                {do: func(*world) {}, made: []string{url}, own: []string{url}},
		"the slice was deleted":    {do: func(w *world) { w.endpoints.Delete(acmeKey) }, made: []string{url}, own: []string{url}},
		"the export was deleted":   {do: func(w *world) { w.exports.Delete(acmeKey) }, made: []string{missing}, own: []string{missing}},
		"it was made again":        {do: func(w *world) { w.exports.Delete(acmeKey); w.settle(); w.offer("acme") }, made: []string{url}, own: []string{url}},
		"without a slice":          {do: (*world).skipSlice, made: []string{"none"}, own: []string{url}},
		"a partition":              {do: func(w *world) { w.putSlice("own", acme, "eu") }, made: []string{url}, own: []string{"PartitionInvalidReference there are no partitions: all workspaces are on one shard; remove spec.partition"}},
		"of what is the hub's own": {do: func(w *world) { w.export(); w.putSlice("own", *kubernetes(), "") }, made: []string{url}, own: []string{`APIExportInvalidReference APIExport "kubernetes" of workspace "root:compute" is served by the hub itself and has no view: delete this slice`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.offer("acme")
			w.putSlice("own", acme, "")
			w.settle()
			test.do(w)
			w.settle()
			if diff := cmp.Diff(test.made, w.sliceText("compute", "acme")); diff != "" {
				t.Errorf("the slice that the hub makes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.own, w.sliceText("web", "own")); diff != "" {
				t.Errorf("another slice (-want +got):\n%s", diff)
			}
		})
	}
}

var acmeKey = logicalcluster.Key{Workspace: "compute", Name: "acme"}

func (w *world) skipSlice() {
	w.exports.Edit(acmeKey, func(e *apisv1alpha2.APIExport) {
		e.Annotations[apisv1alpha2.SkipEndpointSliceAnnotationKey] = ""
	})
	w.endpoints.Delete(acmeKey)
}

func TestExportsTellTheirViews(t *testing.T) {
	w := newWorld(t)
	w.offer("acme")
	w.export()
	w.settle()
	for name, want := range map[string][]apisv1alpha2.VirtualWorkspace{"acme": {{URL: "https://hub.example.io:6443/services/apiexport/compute/acme"}}, "kubernetes": nil} {
		export, _ := w.exports.Get(logicalcluster.Key{Workspace: "compute", Name: name})
		if diff := cmp.Diff(want, export.Status.VirtualWorkspaces); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
