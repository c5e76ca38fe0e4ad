package workspaces

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestDefinitionsGoLast: objects are gone before their definitions, and those who
// watch them have time to read so.
func TestDefinitionsGoLast(t *testing.T) {
	crds := apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")
	for name, tc := range map[string]struct {
		watched bool
		sweeps  []string
	}{
		"nobody watches":   {false, []string{"purge o1 configmaps\npurge o1 customresourcedefinitions\npurge o1 logicalclusters\n"}},
		"somebody watches": {true, []string{"purge o1 configmaps\n", "purge o1 customresourcedefinitions\npurge o1 logicalclusters\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			_, err := w.CreateMissing(t.Context(), "o1", item{configMapsGVR, newConfigMap("default", "c")}, item{crds, newConfigMap("", "d")})
			must(t, err)
			w.takeLog()
			s := sweeper{door: w, content: w, resources: w.resources, watched: func(logicalcluster.Name) bool { return tc.watched }}
			for i, want := range tc.sweeps {
				left, err := s.sweep(t.Context(), "o1", nil)
				must(t, err)
				if left.draining != (i < len(tc.sweeps)-1) || !left.empty() {
					t.Errorf("sweep %d left %+v", i, left)
				}
				if diff := cmp.Diff(want, strings.ReplaceAll(w.takeLog(), " \n", "\n")); diff != "" {
					t.Errorf("sweep %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}
