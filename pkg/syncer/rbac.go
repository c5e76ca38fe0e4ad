package syncer

import (
	"bytes"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// childRole is the name of the objects that ChildRBAC makes.
const childRole = "atrium-syncer"

// ChildRBAC returns, as YAML, what a cluster admin applies in the child before
// the agent runs there: a namespace, a service account, and a ClusterRole with
// exactly the verbs the agent uses on exactly the resources it copies.
//
//	list, watch     the copies it made; RBAC cannot narrow that by label
//	get             to see whether a name is free before it writes
//	create, patch   server-side apply
//	delete          copies whose original is gone
//
// No rule has a wildcard, and none lets the agent grant rights, read pods or act
// as somebody else. Namespaces are listed, made and deleted, never changed.
func ChildRBAC(namespace string, resources []string) ([]byte, error) {
	if len(resources) == 0 {
		resources = DefaultResources()
	}
	if err := checkNames(resources); err != nil {
		return nil, err
	}
	objects := []any{
		&corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
		},
		&corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: childRole},
		},
		&rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: childRole},
			Rules:      childRules(resources),
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: childRole},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: childRole},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: childRole}},
		},
	}
	return toYAML(objects)
}

// childRules has one rule per API group, in a stable order.
func childRules(resources []string) []rbacv1.PolicyRule {
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "watch", "create", "delete"}},
	}
	byGroup := map[string][]string{}
	var groups []string
	for _, name := range resources {
		resource := schema.ParseGroupResource(name)
		if byGroup[resource.Group] == nil {
			groups = append(groups, resource.Group)
		}
		byGroup[resource.Group] = append(byGroup[resource.Group], resource.Resource)
	}
	slices.Sort(groups)
	for _, group := range groups {
		slices.Sort(byGroup[group])
		rules = append(rules, rbacv1.PolicyRule{
			APIGroups: []string{group},
			Resources: slices.Compact(byGroup[group]),
			Verbs:     []string{"get", "list", "watch", "create", "patch", "delete"},
		})
	}
	return rules
}

func toYAML(objects []any) ([]byte, error) {
	var out bytes.Buffer
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("failed to encode the manifest: %w", err)
		}
		fmt.Fprintf(&out, "---\n%s", text)
	}
	return out.Bytes(), nil
}
