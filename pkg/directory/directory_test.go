package directory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func workspaceObject(name, cluster string) *tenancyv1alpha1.Workspace {
	return &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: tenancyv1alpha1.WorkspaceSpec{
			Cluster: cluster,
			Type:    &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"},
		},
	}
}

func deleting(workspace *tenancyv1alpha1.Workspace) *tenancyv1alpha1.Workspace {
	now := metav1.Now()
	workspace.DeletionTimestamp = &now
	return workspace
}

func clusterObject(phase corev1alpha1.LogicalClusterPhaseType) *corev1alpha1.LogicalCluster {
	return &corev1alpha1.LogicalCluster{Status: corev1alpha1.LogicalClusterStatus{Phase: phase}}
}

// house returns root -> org (o1, ready) -> team (t1, initializing) -> lab (l1, scheduling).
func house() *Directory {
	d := New()
	d.SetWorkspace("t1", workspaceObject("lab", "l1"))
	d.SetWorkspace("o1", workspaceObject("team", "t1"))
	d.SetWorkspace("root", workspaceObject("org", "o1"))
	d.SetLogicalCluster("o1", clusterObject(corev1alpha1.LogicalClusterPhaseReady))
	d.SetLogicalCluster("t1", clusterObject(corev1alpha1.LogicalClusterPhaseInitializing))
	return d
}

func TestResolve(t *testing.T) {
	universal := logicalcluster.Path("root:universal")
	lab := Entry{Name: "l1", Path: "root:org:team:lab", Phase: corev1alpha1.LogicalClusterPhaseScheduling, Type: universal}
	team := Entry{Name: "t1", Path: "root:org:team", Phase: corev1alpha1.LogicalClusterPhaseInitializing, Type: universal}
	org := Entry{Name: "o1", Path: "root:org", Phase: corev1alpha1.LogicalClusterPhaseReady, Type: universal}
	for name, tc := range map[string]struct {
		path logicalcluster.Path
		want Entry
		miss bool
	}{
		"root":                       {path: "root", want: Entry{Name: "root", Path: "root", Phase: corev1alpha1.LogicalClusterPhaseReady, Type: "root:root"}},
		"system:admin":               {path: "system:admin", want: Entry{Name: "system:admin", Path: "system:admin", Phase: corev1alpha1.LogicalClusterPhaseReady}},
		"one level":                  {path: "root:org", want: org},
		"two levels":                 {path: "root:org:team", want: team},
		"three levels, no cluster":   {path: "root:org:team:lab", want: lab},
		"by ID":                      {path: "t1", want: team},
		"below an ID":                {path: "t1:lab", want: lab},
		"two levels below an ID":     {path: "o1:team:lab", want: lab},
		"unknown child":              {path: "root:org:nobody", miss: true},
		"unknown in the middle":      {path: "root:nobody:team", miss: true},
		"unknown ID":                 {path: "x9", miss: true},
		"below an unknown ID":        {path: "x9:team", miss: true},
		"a name is not an ID":        {path: "org", miss: true},
		"other system workspaces":    {path: "system:shard", miss: true},
		"nothing below system:admin": {path: "system:admin:org", miss: true},
		"wildcard":                   {path: "*", miss: true},
		"empty":                      {path: "", miss: true},
		"empty segment":              {path: "root::org", miss: true},
		"trailing colon":             {path: "root:org:", miss: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := house().Resolve(tc.path)
			if ok == tc.miss {
				t.Fatalf("Resolve(%q) found: %v", tc.path, ok)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Resolve(%q) (-want +got):\n%s", tc.path, diff)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	type want map[logicalcluster.Path]logicalcluster.Name
	for name, tc := range map[string]struct {
		change func(*Directory)
		want   want
	}{
		"what is below a removed workspace stops resolving": {
			change: func(d *Directory) { d.DropWorkspace("root", "org") },
			want:   want{"root:org": "", "root:org:team": "", "o1": "", "t1": "", "l1": "", "t1:lab": ""},
		},
		"a workspace of the same name is another one": {
			change: func(d *Directory) {
				d.DropWorkspace("root", "org")
				d.SetWorkspace("root", workspaceObject("org", "o2"))
			},
			want: want{"root:org": "o2", "root:org:team": "", "o1": "", "t1": ""},
		},
		"a missed deletion shows as a changed ID": {
			change: func(d *Directory) { d.SetWorkspace("root", workspaceObject("org", "o2")) },
			want:   want{"root:org": "o2", "o2": "o2", "o1": "", "root:org:team": ""},
		},
		"nobody takes over an ID": {
			change: func(d *Directory) { d.SetWorkspace("root", workspaceObject("thief", "t1")) },
			want:   want{"root:thief": "", "t1": "t1", "root:org:team": "t1"},
		},
		"nobody becomes root or system:admin": {
			change: func(d *Directory) {
				d.SetWorkspace("root", workspaceObject("a", "root"))
				d.SetWorkspace("root", workspaceObject("b", "system:admin"))
				d.SetWorkspace("root", workspaceObject("c", "Not/Valid"))
			},
			want: want{"root:a": "", "root:b": "", "root:c": "", "root": "root"},
		},
		"a circle leads nowhere": {
			change: func(d *Directory) {
				d.SetWorkspace("c2", workspaceObject("one", "c1"))
				d.SetWorkspace("c1", workspaceObject("two", "c2"))
			},
			want: want{"c1": "", "c2": "", "c1:two:one": ""},
		},
		"without an ID there is nothing to resolve": {
			change: func(d *Directory) { d.SetWorkspace("root", workspaceObject("early", "")) },
			want:   want{"root:early": ""},
		},
		"dropping what is unknown": {
			change: func(d *Directory) { d.DropWorkspace("root", "nobody"); d.DropLogicalCluster("x") },
			want:   want{"root:org": "o1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := house()
			tc.change(d)
			for path, name := range tc.want {
				if got, _ := d.Resolve(path); got.Name != name {
					t.Errorf("Resolve(%q) = %q, want %q", path, got.Name, name)
				}
			}
		})
	}
}

func TestPhase(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*Directory)
		want    corev1alpha1.LogicalClusterPhaseType
		waiting []string
	}{
		"as the LogicalCluster says": {
			change: func(*Directory) {},
			want:   corev1alpha1.LogicalClusterPhaseReady,
		},
		"no LogicalCluster": {
			change: func(d *Directory) { d.DropLogicalCluster("o1") },
			want:   corev1alpha1.LogicalClusterPhaseScheduling,
		},
		"no phase": {
			change: func(d *Directory) { d.SetLogicalCluster("o1", clusterObject("")) },
			want:   corev1alpha1.LogicalClusterPhaseScheduling,
		},
		"inactive": {
			change: func(d *Directory) {
				c := clusterObject(corev1alpha1.LogicalClusterPhaseReady)
				c.Annotations = map[string]string{corev1alpha1.InactiveAnnotationKey: "true"}
				d.SetLogicalCluster("o1", c)
			},
			want: corev1alpha1.LogicalClusterPhaseInactive,
		},
		"asleep, but not initialized": {
			change: func(d *Directory) {
				c := clusterObject(corev1alpha1.LogicalClusterPhaseInitializing)
				c.Annotations = map[string]string{corev1alpha1.InactiveAnnotationKey: "true"}
				d.SetLogicalCluster("o1", c)
			},
			want: corev1alpha1.LogicalClusterPhaseInitializing,
		},
		"the LogicalCluster of one in use is lost": {
			change: func(d *Directory) {
				w := workspaceObject("org", "o1")
				w.Status.Phase = corev1alpha1.LogicalClusterPhaseReady
				d.SetWorkspace("root", w)
				d.DropLogicalCluster("o1")
			},
			want: corev1alpha1.LogicalClusterPhaseUnavailable,
		},
		"waiting for initializers": {
			change: func(d *Directory) {
				c := clusterObject(corev1alpha1.LogicalClusterPhaseInitializing)
				c.Status.Initializers = []corev1alpha1.LogicalClusterInitializer{"root:x"}
				c.Status.Terminators = []corev1alpha1.LogicalClusterTerminator{"root:y"}
				d.SetLogicalCluster("o1", c)
			},
			want:    corev1alpha1.LogicalClusterPhaseInitializing,
			waiting: []string{"root:x"},
		},
		"waiting for terminators": {
			change: func(d *Directory) {
				d.SetWorkspace("root", deleting(workspaceObject("org", "o1")))
				c := clusterObject(corev1alpha1.LogicalClusterPhaseReady)
				c.Status.Terminators = []corev1alpha1.LogicalClusterTerminator{"root:y"}
				d.SetLogicalCluster("o1", c)
			},
			want:    corev1alpha1.LogicalClusterPhaseTerminating,
			waiting: []string{"root:y"},
		},
		"terminators are done": {
			change: func(d *Directory) {
				d.SetWorkspace("root", deleting(workspaceObject("org", "o1")))
				c := clusterObject(corev1alpha1.LogicalClusterPhaseTerminating)
				c.Status.Terminators = []corev1alpha1.LogicalClusterTerminator{"root:y"}
				d.SetLogicalCluster("o1", c)
				d.SetLogicalCluster("o1", clusterObject(corev1alpha1.LogicalClusterPhaseTerminating))
			},
			want: corev1alpha1.LogicalClusterPhaseDeleting,
		},
		"deletion asked for": {
			change: func(d *Directory) { d.SetWorkspace("root", deleting(workspaceObject("org", "o1"))) },
			want:   corev1alpha1.LogicalClusterPhaseDeleting,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := house()
			tc.change(d)
			got, _ := d.Resolve("root:org")
			if got.Phase != tc.want {
				t.Errorf("phase %q, want %q", got.Phase, tc.want)
			}
			if diff := cmp.Diff(tc.waiting, got.Waiting); diff != "" {
				t.Errorf("waiting for (-want +got):\n%s", diff)
			}
			if ready := got.Ready(); ready != (tc.want == corev1alpha1.LogicalClusterPhaseReady) {
				t.Errorf("Ready() = %v in phase %q", ready, got.Phase)
			}
		})
	}
}
