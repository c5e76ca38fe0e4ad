package nativeapis

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/rbac"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	clusterrolepolicy "k8s.io/kubernetes/pkg/registry/rbac/clusterrole/policybased"
	clusterrolestore "k8s.io/kubernetes/pkg/registry/rbac/clusterrole/storage"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding"
	clusterrolebindingpolicy "k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding/policybased"
	clusterrolebindingstore "k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding/storage"
	"k8s.io/kubernetes/pkg/registry/rbac/role"
	rolepolicy "k8s.io/kubernetes/pkg/registry/rbac/role/policybased"
	rolestore "k8s.io/kubernetes/pkg/registry/rbac/role/storage"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	rolebindingpolicy "k8s.io/kubernetes/pkg/registry/rbac/rolebinding/policybased"
	rolebindingstore "k8s.io/kubernetes/pkg/registry/rbac/rolebinding/storage"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
)

// EscalationRules returns the rules by which it is judged whether somebody gives
// away more than he has. Upstream's know the workspace only, not the roles that
// hold in every workspace, and take a service account of another workspace for
// its namesake.
type EscalationRules func(
	validation.RoleGetter, validation.RoleBindingLister, validation.ClusterRoleGetter, validation.ClusterRoleBindingLister,
) validation.AuthorizationRuleResolver

// roleProvider serves roles and bindings as upstream does, with other rules
// against escalation.
type roleProvider struct {
	authorizer authorizer.UnconditionalAuthorizer
	rules      EscalationRules
}

// GroupName returns "rbac.authorization.k8s.io".
func (p roleProvider) GroupName() string { return rbac.GroupName }

// NewRESTStorage builds the four stores.
func (p roleProvider) NewRESTStorage(_ serverstorage.APIResourceConfigSource, options generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error) {
	info := genericapiserver.NewDefaultAPIGroupInfo(rbac.GroupName, legacyscheme.Scheme, legacyscheme.ParameterCodec, legacyscheme.Codecs)
	roles, err := rolestore.NewREST(options)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of roles: %w", err)
	}
	bindings, err := rolebindingstore.NewREST(options)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of rolebindings: %w", err)
	}
	clusterRoles, err := clusterrolestore.NewREST(options)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of clusterroles: %w", err)
	}
	clusterBindings, err := clusterrolebindingstore.NewREST(options)
	if err != nil {
		return info, fmt.Errorf("failed to build the store of clusterrolebindings: %w", err)
	}
	rules := p.rules(
		role.AuthorizerAdapter{Registry: role.NewRegistry(roles)},
		rolebinding.AuthorizerAdapter{Registry: rolebinding.NewRegistry(bindings)},
		clusterrole.AuthorizerAdapter{Registry: clusterrole.NewRegistry(clusterRoles)},
		clusterrolebinding.AuthorizerAdapter{Registry: clusterrolebinding.NewRegistry(clusterBindings)},
	)
	info.VersionedResourcesStorageMap[rbacv1.SchemeGroupVersion.Version] = map[string]rest.Storage{
		"roles":               rolepolicy.NewStorage(roles, p.authorizer, rules),
		"rolebindings":        rolebindingpolicy.NewStorage(bindings, p.authorizer, rules),
		"clusterroles":        clusterrolepolicy.NewStorage(clusterRoles, p.authorizer, rules),
		"clusterrolebindings": clusterrolebindingpolicy.NewStorage(clusterBindings, p.authorizer, rules),
	}
	return info, nil
}
