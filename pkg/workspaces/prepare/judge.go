package prepare

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// typeName is what references to a type may contain.
var typeName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxEntries is how many entries any other list of a type may have.
const maxEntries = 100

// TypeName judges the name of a new type that is to live in home.
func TypeName(kind *tenancyv1alpha1.WorkspaceType, home logicalcluster.Name) error {
	switch {
	case !typeName.MatchString(kind.Name):
		return fmt.Errorf("metadata.name %q: the name of a workspace type has 1 to 63 characters of a-z, 0-9 and '-', begins with a letter and does not end with '-'", kind.Name)
	case len(kind.Name) < 2 && (kind.Spec.Initializer || kind.Spec.Terminator):
		return fmt.Errorf("metadata.name %q: a type with an initializer or a terminator needs a name of two characters at least", kind.Name)
	case kind.Name == string(tenancyv1alpha1.RootWorkspaceTypeName) && home != logicalcluster.Root:
		return errors.New("metadata.name: a type called root can only be made in the root workspace")
	}
	return nil
}

// TypeSpec judges what can be told from a type alone. References without a path
// are an error where nobody could say what they mean.
func TypeSpec(spec tenancyv1alpha1.WorkspaceTypeSpec) error {
	if spec.DefaultChildWorkspaceType != nil && spec.DefaultChildWorkspaceType.Path == "" {
		return errors.New("spec.defaultChildWorkspaceType.path has to be set")
	}
	return errors.Join(
		atMost("spec.extend.with", len(spec.Extend.With), maxLineage-1),
		atMost("spec.defaultAPIBindings", len(spec.DefaultAPIBindings), maxBindings),
		atMost("spec.authenticationConfigurations", len(spec.AuthenticationConfigurations), maxEntries),
		atMost("spec.additionalWorkspaceLabels", len(spec.AdditionalWorkspaceLabels), maxEntries),
		limit("spec.limitAllowedChildren", spec.LimitAllowedChildren),
		limit("spec.limitAllowedParents", spec.LimitAllowedParents),
		additionalLabels(spec.AdditionalWorkspaceLabels),
		rules("spec.initializerPermissions", spec.Initializer, spec.InitializerPermissions),
		rules("spec.terminatorPermissions", spec.Terminator, spec.TerminatorPermissions),
	)
}

// atMost bounds what the hub has to go through whenever a workspace is made.
func atMost(where string, n, most int) error {
	if n <= most {
		return nil
	}
	return fmt.Errorf("%s has %d entries: %d are allowed", where, n, most)
}

func limit(where string, selector *tenancyv1alpha1.WorkspaceTypeSelector) error {
	switch {
	case selector == nil:
		return nil
	case selector.None && len(selector.Types) > 0:
		return fmt.Errorf("%s: none and types exclude each other", where)
	case !selector.None && len(selector.Types) == 0:
		return fmt.Errorf("%s says nothing: set none or types, or leave it out to allow all types", where)
	}
	if err := atMost(where+".types", len(selector.Types), maxEntries); err != nil {
		return err
	}
	for i, ref := range selector.Types {
		if ref.Path == "" {
			return fmt.Errorf("%s.types[%d].path has to be set", where, i)
		}
	}
	return nil
}

func additionalLabels(labels map[string]string) error {
	where := field.NewPath("spec", "additionalWorkspaceLabels")
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if reservedLabel(key) {
			return fmt.Errorf("%s: label %q is reserved: labels of %s are written by the hub and by Kubernetes only", where, key, strings.Join(corev1alpha1.ReservedDomains, ", "))
		}
	}
	return metav1validation.ValidateLabels(labels, where).ToAggregate()
}

func reservedLabel(key string) bool {
	domain, _, qualified := strings.Cut(key, "/")
	return qualified && corev1alpha1.IsReservedDomain(domain)
}

// rules judges the form of permissions. Without whom they are for they would be
// accepted and ignored.
func rules(where string, wanted bool, rules []rbacv1.PolicyRule) error {
	if len(rules) > 0 && !wanted {
		return fmt.Errorf("%s is for a type with spec.%s: true", where, strings.TrimSuffix(strings.TrimPrefix(where, "spec."), "Permissions"))
	}
	for i, rule := range rules {
		switch {
		case len(rule.Verbs) == 0:
			return fmt.Errorf("%s[%d].verbs has to be set", where, i)
		case slices.Contains(rule.Verbs, "impersonate"):
			return fmt.Errorf("%s[%d].verbs: impersonate can not be given away: who acts in a workspace acts as himself", where, i)
		case len(rule.NonResourceURLs) > 0 && len(rule.Resources)+len(rule.APIGroups)+len(rule.ResourceNames) > 0:
			return fmt.Errorf("%s[%d]: nonResourceURLs stand alone in a rule", where, i)
		case len(rule.NonResourceURLs) == 0 && (len(rule.Resources) == 0 || len(rule.APIGroups) == 0):
			return fmt.Errorf("%s[%d]: apiGroups and resources have to be set (the group of the core resources is \"\")", where, i)
		}
	}
	return nil
}

// ExtensionHome returns the path of the workspace in which ref, among the types
// that a extends, is looked for. Without a path that is the nearest one, from
// where a lives upwards, that has such a type now; without any it is where a
// lives, so that a type which is made later elsewhere is never meant.
func ExtensionHome(a Ancestor, ref tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) logicalcluster.Path {
	if _, found, ok := findType(logicalcluster.Path(a.Path), ref, withBuiltins(lookup)); ok || ref.Path != "" {
		return logicalcluster.Path(found.Path)
	}
	return logicalcluster.Path(a.Path)
}
