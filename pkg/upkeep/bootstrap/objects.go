package bootstrap

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/homes/naming"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// ComputeWorkspace is the workspace below root that offers compute.
	ComputeWorkspace = prepare.ComputeWorkspace
	// ComputeExport is the APIExport of the workload APIs.
	ComputeExport = "kubernetes"
)

const (
	adminGroup   = "system:kcp:admin"
	adminRole    = "cluster-admin" // one of Kubernetes' own
	adminBinding = "system:kcp:admin"

	homeRole           = "system:kcp:tenancy:home"
	homeBinding        = "system:kcp:authenticated:tenancy:home"
	accessRole         = "system:kcp:workspace:access"
	accessBinding      = "system:kcp:tenancy:authenticated:access"
	readerRole         = "system:kcp:tenancy:reader"
	readerBinding      = "system:kcp:authenticated:tenancy:reader"
	typeUseRole        = "system:kcp:universal-workspacetype-use"
	typeUseBinding     = "system:kcp:authenticated:universal-workspacetype-use"
	clusterAdmin       = "system:kcp:logical-cluster-admin"
	tenancyBindRole    = "system:kcp:apiexport:tenancy:bind"
	tenancyBinding     = "system:kcp:authenticated:apiexport:tenancy:bind"
	topologyBindRole   = "system:kcp:apiexport:topology:bind"
	topologyBinding    = "system:kcp:authenticated:apiexport:topology:bind"
	shardsBindRole     = "system:kcp:apiexport:shards:bind"
	shardsBinding      = "system:kcp:authenticated:apiexport:shards:bind"
	computeBindRole    = "system:kcp:apiexport:kubernetes:bind"
	computeBindBinding = "system:kcp:authenticated:apiexport:kubernetes:bind"
)

func rootCluster(url string) *corev1alpha1.LogicalCluster {
	return &corev1alpha1.LogicalCluster{
		ObjectMeta: metav1.ObjectMeta{
			Name: corev1alpha1.LogicalClusterName,
			Annotations: map[string]string{
				corev1alpha1.PathAnnotationKey:    logicalcluster.Root.String(),
				tenancyv1alpha1.TypeAnnotationKey: "root:root",
			},
		},
		Status: corev1alpha1.LogicalClusterStatus{Phase: corev1alpha1.LogicalClusterPhaseReady, URL: url},
	}
}

// grant is a role, and who has it: everybody who logged in when group is empty.
// Without rules the role is defined elsewhere; without a binding it is only
// there to be bound.
type grant struct {
	role, binding, group string
	rules                []rbacv1.PolicyRule
}

// globalGrants are kept in system:admin, whose roles can be bound in every
// workspace and whose bindings hold in every workspace.
func globalGrants() []grant {
	return []grant{
		{role: adminRole, binding: adminBinding, group: adminGroup},
		{role: accessRole, rules: []rbacv1.PolicyRule{enter()}},
		{role: clusterAdmin, binding: clusterAdmin, group: clusterAdmin, rules: []rbacv1.PolicyRule{
			{APIGroups: []string{corev1alpha1.GroupName}, Resources: []string{"logicalclusters", "logicalclusters/status"}, Verbs: []string{rbacv1.VerbAll}},
			{APIGroups: []string{tenancyv1alpha1.GroupName}, Resources: []string{"workspaces"}, Verbs: []string{"get", "update", "delete"}},
		}},
	}
}

func rootGrants() []grant {
	return []grant{
		{role: accessRole, binding: accessBinding},
		{role: readerRole, binding: readerBinding, rules: []rbacv1.PolicyRule{{
			APIGroups: []string{tenancyv1alpha1.GroupName},
			Resources: []string{"workspacetypes"},
			Verbs:     []string{"get", "list", "watch"},
		}}},
		// To give homes to some users only, an administrator changes the subjects.
		{role: homeRole, binding: homeBinding, rules: []rbacv1.PolicyRule{{
			APIGroups:     []string{tenancyv1alpha1.GroupName},
			Resources:     []string{"workspaces"},
			ResourceNames: []string{"~"},
			// Lists and watches of this name are empty; clients that wait for the end
			// of a deletion need to be told so.
			Verbs: []string{"get", "list", "watch", "delete"},
		}}},
		{role: typeUseRole, binding: typeUseBinding, rules: []rbacv1.PolicyRule{{
			APIGroups: []string{tenancyv1alpha1.GroupName},
			Resources: []string{"workspacetypes"},
			ResourceNames: []string{
				string(tenancyv1alpha1.UniversalWorkspaceTypeName),
				string(tenancyv1alpha1.OrganizationWorkspaceTypeName),
				string(tenancyv1alpha1.TeamWorkspaceTypeName),
			},
			Verbs: []string{"use"},
		}}},
		mayBind(tenancyBindRole, tenancyBinding, tenancyExport),
		mayBind(topologyBindRole, topologyBinding, topologyExport),
		mayBind(shardsBindRole, shardsBinding, shardsExport),
	}
}

// mayBind lets everybody who logged in bind an export.
func mayBind(role, binding, export string) grant {
	return grant{role: role, binding: binding, rules: []rbacv1.PolicyRule{{
		APIGroups:     []string{apisv1alpha2.GroupName},
		Resources:     []string{"apiexports"},
		ResourceNames: []string{export},
		Verbs:         []string{"bind", "get"},
	}}}
}

func computeGrants() []grant {
	return []grant{
		{role: accessRole, binding: accessBinding},
		mayBind(computeBindRole, computeBindBinding, ComputeExport),
	}
}

// enter is the permission to enter a workspace at all.
func enter() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}}
}

func (g grant) clusterRole() *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: g.role}, Rules: g.rules}
}

func (g grant) clusterRoleBinding() *rbacv1.ClusterRoleBinding {
	group := g.group
	if group == "" {
		group = user.AllAuthenticated
	}
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: g.binding},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: g.role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
	}
}

// usersWorkspace is what homes are kept below. It is made early so that nobody
// else can take its name, and like all of them belongs to the hub.
func usersWorkspace() *tenancyv1alpha1.Workspace {
	return &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: naming.UsersName},
		Spec: tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{
			Path: logicalcluster.Root.String(), Name: tenancyv1alpha1.HomeBucketWorkspaceTypeName,
		}},
	}
}

func computeWorkspace() *tenancyv1alpha1.Workspace {
	return &tenancyv1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: ComputeWorkspace},
		Spec: tenancyv1alpha1.WorkspaceSpec{Type: &tenancyv1alpha1.WorkspaceTypeReference{
			Path: logicalcluster.Root.String(), Name: tenancyv1alpha1.UniversalWorkspaceTypeName,
		}},
	}
}

func rootShard(url string) *corev1alpha1.Shard {
	return &corev1alpha1.Shard{
		ObjectMeta: metav1.ObjectMeta{Name: corev1alpha1.RootShardName},
		Spec:       corev1alpha1.ShardSpec{BaseURL: url, ExternalURL: url, VirtualWorkspaceURL: url},
	}
}

const (
	tenancyExport  = "tenancy.kcp.io"
	topologyExport = "topology.kcp.io"
	shardsExport   = "shards.core.kcp.io"
)

// systemExports are those of root. Every workspace serves what they offer; they
// are there for clients that bind them first. The hub has no kinds of topology.
func systemExports() []*apisv1alpha2.APIExport {
	tenancy, core := tenancyv1alpha1.SchemeGroupVersion, corev1alpha1.SchemeGroupVersion
	return []*apisv1alpha2.APIExport{
		newExport(tenancyExport, logicalcluster.Root.Path(), []schema.GroupVersionResource{
			tenancy.WithResource("workspaceauthenticationconfigurations"), tenancy.WithResource("workspaces"), tenancy.WithResource("workspacetypes"),
		}),
		newExport(topologyExport, logicalcluster.Root.Path(), nil),
		newExport(shardsExport, logicalcluster.Root.Path(), []schema.GroupVersionResource{core.WithResource("shards")}),
	}
}

func computeExport(resources []schema.GroupVersionResource) *apisv1alpha2.APIExport {
	export := newExport(ComputeExport, logicalcluster.Root.Path().Join(ComputeWorkspace), resources)
	export.Annotations[workloadv1alpha1.ComputeAPIExportAnnotationKey] = "true"
	return export
}

// newExport offers resources that the hub itself has; the schemas they name say
// so, and exist nowhere else.
func newExport(name string, in logicalcluster.Path, resources []schema.GroupVersionResource) *apisv1alpha2.APIExport {
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{
		Name: name, Annotations: map[string]string{corev1alpha1.PathAnnotationKey: in.String()},
	}}
	for _, gvr := range resources {
		export.Spec.Resources = append(export.Spec.Resources, apisv1alpha2.ResourceSchema{
			Name: gvr.Resource, Group: gvr.Group, Schema: nativeSchema(gvr),
			Storage: apisv1alpha2.ResourceSchemaStorage{CRD: &apisv1alpha2.ResourceSchemaStorageCRD{}},
		})
	}
	return export
}

// nativeSchema returns the schema name "native-<version>.<plural>.<group>".
func nativeSchema(gvr schema.GroupVersionResource) string {
	group := gvr.Group
	if group == "" {
		group = "core"
	}
	return "native-" + gvr.Version + "." + gvr.Resource + "." + group
}
