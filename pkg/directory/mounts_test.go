package directory

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func mountObject(name string) *tenancyv1alpha1.Workspace {
	return &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       tenancyv1alpha1.WorkspaceSpec{Mount: &tenancyv1alpha1.Mount{}},
	}
}

func TestMount(t *testing.T) {
	for name, c := range map[string]struct {
		path logicalcluster.Path
		want Mount
		miss bool
	}{
		"a mount":                       {path: "root:org:eu", want: Mount{In: "o1", Name: "eu"}},
		"by the ID of its parent":       {path: "o1:eu", want: Mount{In: "o1", Name: "eu"}},
		"below a mount":                 {path: "root:org:eu:a:b", want: Mount{In: "o1", Name: "eu", Below: "a:b"}},
		"a workspace":                   {path: "root:org:team", miss: true},
		"nothing":                       {path: "root:org:nobody", miss: true},
		"nothing below a workspace":     {path: "root:org:team:nobody", miss: true},
		"a mount's name elsewhere":      {path: "root:eu", miss: true},
		"a mount's name as an ID":       {path: "eu", miss: true},
		"below what does not exist":     {path: "root:nobody:eu", miss: true},
		"a mount that is being deleted": {path: "root:org:going", miss: true},
		"a mount that was removed":      {path: "root:org:gone", miss: true},
		"a mount that is none any more": {path: "root:org:turned", miss: true},
		"empty":                         {path: "", miss: true},
		"trailing colon":                {path: "root:org:", miss: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := house()
			d.SetWorkspace("o1", mountObject("eu"))
			going := mountObject("going")
			d.SetWorkspace("o1", going)
			going = going.DeepCopy()
			going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			d.SetWorkspace("o1", going)
			d.SetWorkspace("o1", mountObject("gone"))
			d.DropWorkspace("o1", "gone")
			d.SetWorkspace("o1", mountObject("turned"))
			d.SetWorkspace("o1", workspaceObject("turned", ""))
			if _, ok := d.Resolve(c.path); ok && c.path != "root:org:team" {
				t.Errorf("Resolve(%q) found a workspace", c.path)
			}
			got, ok := d.Mount(c.path)
			if ok == c.miss {
				t.Fatalf("Mount(%q) found: %v", c.path, ok)
			}
			if diff := cmp.Diff(c.want, got); ok && diff != "" {
				t.Errorf("Mount(%q) (-want +got):\n%s", c.path, diff)
			}
		})
	}
}
