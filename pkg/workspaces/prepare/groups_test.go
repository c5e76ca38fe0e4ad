package prepare

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

var (
	operator = &user.DefaultInfo{Name: "op", Groups: []string{hubAdministrators}}
	pretends = &user.DefaultInfo{Name: "op", Groups: []string{hubAdministrators, user.SystemPrivilegedGroup}, Extra: map[string][]string{identity.ScopesExtraKey: {"cluster:a"}}}
)

func TestInheritedGroups(t *testing.T) {
	const key = corev1alpha1.RequiredGroupsAnnotationKey
	staff := "staff"
	for name, c := range map[string]struct {
		asked     map[string]string
		creator   user.Info
		inherited *string
		want      map[string]string
	}{
		"nothing":                         {nil, ann, nil, nil},
		"inherited":                       {nil, ann, &staff, map[string]string{key: "staff"}},
		"a tenant widens":                 {map[string]string{key: "staff;all"}, ann, &staff, map[string]string{key: "staff"}},
		"a tenant asks":                   {map[string]string{key: "all"}, ann, nil, map[string]string{}},
		"an administrator asks":           {map[string]string{key: "all"}, operator, &staff, map[string]string{key: "all"}},
		"an administrator says nothing":   {nil, operator, &staff, map[string]string{key: "staff"}},
		"an administrator in one of many": {map[string]string{key: "all"}, pretends, &staff, map[string]string{key: "staff"}},
		"the hub":                         {nil, hub, &staff, map[string]string{key: "staff"}},
	} {
		t.Run(name, func(t *testing.T) {
			workspace := &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Annotations: c.asked}}
			inheritGroups(workspace, c.creator, c.inherited)
			if diff := cmp.Diff(c.want, workspace.Annotations); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoChangesRequiredGroups(t *testing.T) {
	old := &corev1alpha1.LogicalCluster{ObjectMeta: metav1.ObjectMeta{Name: "cluster", Annotations: map[string]string{"kcp.io/path": "root:a"}}}
	groups := func(c *corev1alpha1.LogicalCluster) {
		c.Annotations[corev1alpha1.RequiredGroupsAnnotationKey] = "staff"
	}
	for name, c := range map[string]struct {
		writer user.Info
		edits  []func(*corev1alpha1.LogicalCluster)
		want   bool
	}{
		"groups, by an administrator": {operator, []func(*corev1alpha1.LogicalCluster){groups}, true},
		"groups, by a tenant":         {ann, []func(*corev1alpha1.LogicalCluster){groups}, false},
		"groups, by who pretends":     {pretends, []func(*corev1alpha1.LogicalCluster){groups}, false},
		"the path":                    {operator, []func(*corev1alpha1.LogicalCluster){func(c *corev1alpha1.LogicalCluster) { c.Annotations["kcp.io/path"] = "root:b" }}, false},
		"groups and the phase":        {operator, []func(*corev1alpha1.LogicalCluster){groups, func(c *corev1alpha1.LogicalCluster) { c.Status.Phase = "Ready" }}, false},
		"groups and the owner":        {operator, []func(*corev1alpha1.LogicalCluster){groups, func(c *corev1alpha1.LogicalCluster) { c.Spec.DirectlyDeletable = true }}, false},
		"groups and a finalizer":      {operator, []func(*corev1alpha1.LogicalCluster){groups, func(c *corev1alpha1.LogicalCluster) { c.Finalizers = []string{"x/y"} }}, false},
	} {
		t.Run(name, func(t *testing.T) {
			changed := old.DeepCopy()
			for _, edit := range c.edits {
				edit(changed)
			}
			if err := LogicalCluster(changed, old, c.writer); (err == nil) != c.want {
				t.Errorf("%v, want allowed: %v", err, c.want)
			}
		})
	}
}
