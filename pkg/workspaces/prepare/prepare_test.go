package prepare

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	ann = &user.DefaultInfo{Name: "ann", Groups: []string{"system:authenticated"}}
	hub = &user.DefaultInfo{Name: "hub", Groups: []string{user.SystemPrivilegedGroup}}
)

// zeroID is the ID made of zero bytes.
const zeroID = "29i1re38vi3hq4z5"

func around(edit ...func(*Surroundings)) Surroundings {
	s := Surroundings{BaseURL: "https://hub:6443", ParentPath: "root:org", ParentType: "root:organization", Random: bytes.NewReader(make([]byte, 32))}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func TestNewID(t *testing.T) {
	seen := map[logicalcluster.Name]bool{}
	for range 1000 {
		id, err := NewID(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if len(id) != idLength || !id.IsValid() || seen[id] {
			t.Fatalf("NewID() = %q", id)
		}
		seen[id] = true
	}
	if _, err := NewID(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("no random bytes: error %v", err)
	}
}

func TestCreate(t *testing.T) {
	custom := &tenancyv1alpha1.WorkspaceType{
		ObjectMeta: metav1.ObjectMeta{Name: "lab"},
		Spec:       tenancyv1alpha1.WorkspaceTypeSpec{AdditionalWorkspaceLabels: map[string]string{"kind": "lab", "tier": "low"}},
	}
	types := func(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
		return custom, path == "root:org" && name == "lab"
	}
	for name, tc := range map[string]struct {
		workspace tenancyv1alpha1.Workspace
		creator   user.Info
		around    Surroundings
		want      tenancyv1alpha1.Workspace
		err       string
	}{
		"plain": {
			creator: ann, around: around(),
			want: created(func(w *tenancyv1alpha1.Workspace) {
				w.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = `{"username":"ann","groups":["system:authenticated"]}`
			}),
		},
		"by the hub": {
			creator: hub, around: around(),
			want: created(),
		},
		"a type that is a reference to nothing": {
			workspace: typed("", ""), creator: hub, around: around(),
			want: created(),
		},
		"below root": {
			creator: hub, around: around(func(s *Surroundings) { s.ParentPath, s.ParentType = "root", "root:root" }),
			want: created(func(w *tenancyv1alpha1.Workspace) {
				w.Spec.Type.Name = "organization"
				w.Spec.URL = "https://hub:6443/clusters/root:team"
			}),
		},
		"a type by name, found above": {
			workspace: typed("", "team"), creator: hub, around: around(),
			want: created(func(w *tenancyv1alpha1.Workspace) { w.Spec.Type.Name = "team" }),
		},
		"a type of one's own, with labels": {
			workspace: labelled(typed("", "lab"), "tier", "high"), creator: hub, around: around(func(s *Surroundings) { s.Types, s.ParentPath, s.ParentType = types, "root:org:team", "root:team" }),
			want: created(func(w *tenancyv1alpha1.Workspace) {
				*w.Spec.Type = tenancyv1alpha1.WorkspaceTypeReference{Path: "root:org", Name: "lab"}
				w.Spec.URL = "https://hub:6443/clusters/root:org:team:team"
				w.Labels["kind"], w.Labels["tier"] = "lab", "high"
			}),
		},
		"an unknown type is left for later": {
			workspace: typed("root", "nothing"), creator: hub, around: around(),
			want: created(func(w *tenancyv1alpha1.Workspace) { w.Spec.Type.Name = "nothing" }),
		},
		"what tenants forge is dropped": {
			workspace: forged(), creator: ann, around: around(),
			want: created(func(w *tenancyv1alpha1.Workspace) {
				w.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = `{"username":"ann","groups":["system:authenticated"]}`
				w.Annotations["mine"] = "stays"
				w.Finalizers = []string{"example.io/mine", corev1alpha1.LogicalClusterFinalizer}
			}),
		},
		"the hub creates for others": {
			workspace: forged(), creator: hub, around: around(),
			want: created(func(w *tenancyv1alpha1.Workspace) {
				w.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = `{"username":"eve"}`
				w.Annotations["mine"] = "stays"
				w.Finalizers = []string{"example.io/mine", corev1alpha1.LogicalClusterFinalizer}
			}),
		},
		"the hub restores an ID": {
			workspace: withCluster("old1"), creator: hub, around: around(),
			want: created(func(w *tenancyv1alpha1.Workspace) {
				w.Spec.Cluster, w.Annotations[tenancyv1alpha1.ClusterAnnotationKey] = "old1", "old1"
			}),
		},
		"a tenant chooses an ID": {
			workspace: withCluster("mine"), creator: ann, around: around(), err: "spec.cluster is assigned by the hub",
		},
		"a tenant chooses an address": {
			workspace: tenancyv1alpha1.Workspace{Spec: tenancyv1alpha1.WorkspaceSpec{URL: "https://evil"}}, creator: ann, around: around(), err: "spec.URL is assigned by the hub",
		},
		"a mount of nothing": {
			workspace: tenancyv1alpha1.Workspace{Spec: tenancyv1alpha1.WorkspaceSpec{Mount: &tenancyv1alpha1.Mount{}}}, creator: ann, around: around(), err: "spec.mount.ref needs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.workspace.DeepCopy()
			got.Name = "team"
			err := Create(got, tc.creator, tc.around)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// created is a Workspace "team" in root:org as Create makes it for the hub.
func created(edit ...func(*tenancyv1alpha1.Workspace)) tenancyv1alpha1.Workspace {
	w := tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{
			Name:       "team",
			Finalizers: []string{corev1alpha1.LogicalClusterFinalizer},
			Labels:     map[string]string{tenancyv1alpha1.PhaseLabel: "Scheduling"},
			Annotations: map[string]string{
				tenancyv1alpha1.ClusterAnnotationKey: zeroID,
				tenancyv1alpha1.ShardAnnotationKey:   shardHash("root"),
			},
		},
		Spec: tenancyv1alpha1.WorkspaceSpec{
			Cluster: zeroID,
			URL:     "https://hub:6443/clusters/root:org:team",
			Type:    &tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"},
		},
	}
	for _, e := range edit {
		e(&w)
	}
	return w
}

func typed(path string, name tenancyv1alpha1.WorkspaceTypeName) tenancyv1alpha1.Workspace {
	return tenancyv1alpha1.Workspace{Spec: tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{Path: path, Name: name}}}
}

func labelled(w tenancyv1alpha1.Workspace, key, value string) tenancyv1alpha1.Workspace {
	setLabel(&w, key, value)
	return w
}

func withCluster(id string) tenancyv1alpha1.Workspace {
	return tenancyv1alpha1.Workspace{Spec: tenancyv1alpha1.WorkspaceSpec{Cluster: id}}
}

func forged() tenancyv1alpha1.Workspace {
	return tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{
		Finalizers: []string{"example.io/mine"},
		Labels:     map[string]string{tenancyv1alpha1.PhaseLabel: "Ready"},
		Annotations: map[string]string{
			"mine":                               "stays",
			tenancyv1alpha1.OwnerAnnotationKey:   `{"username":"eve"}`,
			tenancyv1alpha1.ClusterAnnotationKey: "root",
		},
	}}
}

func TestUpdate(t *testing.T) {
	old := created(func(w *tenancyv1alpha1.Workspace) {
		w.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = `{"username":"ann"}`
		w.Labels[tenancyv1alpha1.PhaseLabel] = "Ready"
	})
	for name, tc := range map[string]struct {
		edit        func(*tenancyv1alpha1.Workspace)
		updater     user.Info
		subresource string
		want        func(*tenancyv1alpha1.Workspace)
		err         string
	}{
		"own metadata": {
			edit:    func(w *tenancyv1alpha1.Workspace) { w.Labels["mine"], w.Annotations["mine"] = "a", "b" },
			updater: ann,
			want:    func(w *tenancyv1alpha1.Workspace) { w.Labels["mine"], w.Annotations["mine"] = "a", "b" },
		},
		"a bare manifest": {
			edit: func(w *tenancyv1alpha1.Workspace) {
				*w = tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}
			},
			updater: ann, want: func(*tenancyv1alpha1.Workspace) {},
		},
		"a manifest with a type that is a reference to nothing": {
			edit:    func(w *tenancyv1alpha1.Workspace) { *w.Spec.Type = tenancyv1alpha1.WorkspaceTypeReference{} },
			updater: ann, want: func(*tenancyv1alpha1.Workspace) {},
		},
		"a manifest with a type without path": {
			edit:    func(w *tenancyv1alpha1.Workspace) { w.Spec.Type.Path = "" },
			updater: ann, want: func(*tenancyv1alpha1.Workspace) {},
		},
		"forged metadata": {
			edit: func(w *tenancyv1alpha1.Workspace) {
				w.Labels[tenancyv1alpha1.PhaseLabel] = "Deleting"
				w.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = `{"username":"eve"}`
				w.Annotations["internal.tenancy.kcp.io/new"] = "x"
				w.Finalizers = nil
			},
			updater: ann, want: func(*tenancyv1alpha1.Workspace) {},
		},
		"by the hub": {
			edit:    func(w *tenancyv1alpha1.Workspace) { w.Finalizers, w.Spec.Cluster = nil, "x" },
			updater: hub, want: func(w *tenancyv1alpha1.Workspace) { w.Finalizers, w.Spec.Cluster = nil, "x" },
		},
		"another ID":      {edit: func(w *tenancyv1alpha1.Workspace) { w.Spec.Cluster = "victim" }, updater: ann, err: "spec.cluster can not be changed"},
		"another address": {edit: func(w *tenancyv1alpha1.Workspace) { w.Spec.URL = "https://evil" }, updater: ann, err: "spec.URL can not be changed"},
		"another type":    {edit: func(w *tenancyv1alpha1.Workspace) { w.Spec.Type.Name = "team" }, updater: ann, err: "spec.type can not be changed"},
		"the status":      {edit: func(*tenancyv1alpha1.Workspace) {}, updater: ann, subresource: "status", err: ErrStatus.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			got := old.DeepCopy()
			tc.edit(got)
			err := Update(got, &old, tc.updater, tc.subresource)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := old.DeepCopy()
			tc.want(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreatorsWhomOneWorkspaceKnows(t *testing.T) {
	for name, tc := range map[string]struct {
		extra map[string][]string
		want  error
	}{
		"impersonated":              {map[string][]string{identity.ScopesExtraKey: {"cluster:parent"}}, ErrStranger},
		"of an issuer of parent":    {map[string][]string{identity.ScopesExtraKey: {"cluster:parent"}, identity.ClusterExtraKey: {"parent"}}, nil},
		"whom everybody knows":      {nil, nil},
		"a service account of home": {map[string][]string{identity.ClusterExtraKey: {"parent"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			workspace := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}
			creator := &user.DefaultInfo{Name: "ann", Extra: tc.extra}
			around := Surroundings{ParentPath: "root", ParentType: "root:root", Random: strings.NewReader(strings.Repeat("x", 64))}
			if err := Create(workspace, creator, around); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestLogicalClusterWrites(t *testing.T) {
	closed, open := &corev1alpha1.LogicalCluster{}, &corev1alpha1.LogicalCluster{Spec: corev1alpha1.LogicalClusterSpec{DirectlyDeletable: true}}
	edited := func(edit func(*corev1alpha1.LogicalCluster)) *corev1alpha1.LogicalCluster {
		c := closed.DeepCopy()
		c.ResourceVersion = "2"
		c.Annotations = map[string]string{corev1alpha1.InactiveAnnotationKey: "true"}
		edit(c)
		return c
	}
	asleep := edited(func(*corev1alpha1.LogicalCluster) {})
	for name, tc := range map[string]struct {
		new, old *corev1alpha1.LogicalCluster
		writer   user.Info
		want     error
	}{
		"the hub":                       {open, nil, hub, nil},
		"a tenant creates":              {open, nil, ann, ErrLogicalCluster},
		"a tenant updates":              {open, closed, ann, ErrLogicalCluster},
		"a tenant deletes":              {nil, closed, ann, ErrLogicalCluster},
		"a tenant deletes what it may":  {nil, open, ann, nil},
		"a tenant deletes none":         {nil, nil, ann, ErrLogicalCluster},
		"a tenant puts it to rest":      {asleep, closed, ann, nil},
		"a tenant wakes it up":          {closed, asleep, ann, nil},
		"with another annotation":       {edited(func(c *corev1alpha1.LogicalCluster) { c.Annotations["kcp.io/path"] = "root" }), closed, ann, ErrLogicalCluster},
		"with a label":                  {edited(func(c *corev1alpha1.LogicalCluster) { c.Labels = map[string]string{"tenancy.kcp.io/phase": "Ready"} }), closed, ann, ErrLogicalCluster},
		"with a finalizer":              {edited(func(c *corev1alpha1.LogicalCluster) { c.Finalizers = []string{"example.io/stay"} }), closed, ann, ErrLogicalCluster},
		"with an owner":                 {edited(func(c *corev1alpha1.LogicalCluster) { c.Spec.Owner = &corev1alpha1.LogicalClusterOwner{Name: "x"} }), closed, ann, ErrLogicalCluster},
		"with the permission to delete": {edited(func(c *corev1alpha1.LogicalCluster) { c.Spec.DirectlyDeletable = true }), closed, ann, ErrLogicalCluster},
		"with the end of its initializers": {closed, edited(func(c *corev1alpha1.LogicalCluster) {
			c.Status.Initializers = []corev1alpha1.LogicalClusterInitializer{"root:x"}
		}), ann, ErrLogicalCluster},
	} {
		t.Run(name, func(t *testing.T) {
			if err := LogicalCluster(tc.new, tc.old, tc.writer); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestAdminBinding(t *testing.T) {
	for name, tc := range map[string]struct {
		owner   string
		subject string
	}{
		"a person":                    {`{"username":"ann"}`, "ann"},
		"a service account":           {`{"username":"system:serviceaccount:default:ci"}`, "system:kcp:serviceaccount:parent:default:ci"},
		"a service account from afar": {`{"username":"system:serviceaccount:default:ci","extra":{"authentication.kcp.io/cluster-name":["afar"]}}`, "system:kcp:serviceaccount:afar:default:ci"},
		"nobody":                      {"", ""},
		"nonsense":                    {"{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			workspace := &tenancyv1alpha1.Workspace{}
			if tc.owner != "" {
				setAnnotation(workspace, tenancyv1alpha1.OwnerAnnotationKey, tc.owner)
			}
			binding, ok := NewAdminBinding(workspace, "parent")
			if !ok {
				if tc.subject != "" {
					t.Fatal("no binding")
				}
				return
			}
			if got := binding.Subjects[0].Name; got != tc.subject {
				t.Errorf("subject %q, want %q", got, tc.subject)
			}
		})
	}
}

func TestLogicalClusterObject(t *testing.T) {
	workspace := created(func(w *tenancyv1alpha1.Workspace) {
		w.UID = "u1"
		w.Annotations[tenancyv1alpha1.OwnerAnnotationKey] = `{"username":"ann"}`
	})
	want := &corev1alpha1.LogicalCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster", Generation: 1, Finalizers: []string{corev1alpha1.LogicalClusterFinalizer},
			Annotations: map[string]string{
				"kcp.io/path":                       "root:org:team",
				"internal.tenancy.kcp.io/type":      "root:universal",
				"tenancy.atrium.io/type-id":         "root:universal",
				"experimental.tenancy.kcp.io/owner": `{"username":"ann"}`,
			}},
		Spec: corev1alpha1.LogicalClusterSpec{
			Initializers: []corev1alpha1.LogicalClusterInitializer{"root:universal"},
			Owner:        &corev1alpha1.LogicalClusterOwner{APIVersion: "tenancy.kcp.io/v1alpha1", Resource: "workspaces", Name: "team", Cluster: "o1", UID: "u1"},
			CreatedBy:    &authenticationv1.UserInfo{Username: "ann"},
		},
	}
	kind, err := ResolvedType(&workspace, "root:org", "root:organization", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := NewLogicalCluster(&workspace, "o1", "root:org:team", kind)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !Owns(&workspace, "o1", got) || Owns(&workspace, "o2", got) {
		t.Error("Owns does not know the parent")
	}
	again := workspace.DeepCopy()
	again.UID = "u2"
	if Owns(again, "o1", got) {
		t.Error("Owns mistakes a new Workspace for the old one")
	}
}

func TestUpwards(t *testing.T) {
	for path, want := range map[logicalcluster.Path][]logicalcluster.Path{
		"root":       {"root"},
		"root:a:b":   {"root:a:b", "root:a", "root"},
		"2xk8p9":     {"2xk8p9", "root"},
		"2xk8p9:lab": {"2xk8p9:lab", "2xk8p9", "root"},
	} {
		if diff := cmp.Diff(want, upwards(path)); diff != "" {
			t.Errorf("upwards(%q) (-want +got):\n%s", path, diff)
		}
	}
}

func TestMounts(t *testing.T) {
	mount := func() *tenancyv1alpha1.Mount {
		return &tenancyv1alpha1.Mount{Reference: tenancyv1alpha1.ObjectReference{APIVersion: "example.org/v1", Kind: "KubeCluster", Name: "eu"}}
	}
	made := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: tenancyv1alpha1.WorkspaceSpec{Mount: mount()}}
	if err := Create(made, ann, around()); err != nil {
		t.Fatal(err)
	}
	if made.Spec.Cluster != "" || len(made.Finalizers) > 0 || made.Spec.URL == "" || made.Spec.Type == nil {
		t.Errorf("made: %+v, finalizers %v", made.Spec, made.Finalizers)
	}
	if owner, ok := Owner(made); !ok || owner.Username != "ann" {
		t.Errorf("owner %+v", owner)
	}
	plain := created()
	turned := plain.DeepCopy()
	turned.Spec.Mount = mount()
	if err := Update(turned, &plain, ann, ""); err == nil {
		t.Error("a workspace became a mount")
	}
	bare := made.DeepCopy()
	bare.Spec = tenancyv1alpha1.WorkspaceSpec{}
	if err := Update(bare, made, ann, ""); err != nil || bare.Spec.Mount == nil || bare.Spec.URL != made.Spec.URL {
		t.Errorf("a bare manifest: %v, %+v", err, bare.Spec)
	}
	for name, spec := range map[string]tenancyv1alpha1.WorkspaceSpec{
		"with an ID":      {Mount: mount(), Cluster: "abc"},
		"with an address": {Mount: mount(), URL: "https://evil.example.org"},
		"of nothing":      {Mount: &tenancyv1alpha1.Mount{}},
	} {
		if err := Create(&tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: spec}, ann, around()); err == nil {
			t.Errorf("a mount %s was made", name)
		}
	}
}
