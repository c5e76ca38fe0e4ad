package prepare

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ComputeWorkspace is the workspace below root that offers compute.
const ComputeWorkspace = "compute"

// TypeLookup finds a WorkspaceType in the workspace at path.
type TypeLookup func(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool)

// BuiltinTypes returns the types that live in the root workspace of every hub.
func BuiltinTypes() []*tenancyv1alpha1.WorkspaceType {
	universal := rootType(tenancyv1alpha1.UniversalWorkspaceTypeName)
	organization := rootType(tenancyv1alpha1.OrganizationWorkspaceTypeName)
	return []*tenancyv1alpha1.WorkspaceType{
		builtinType(tenancyv1alpha1.UniversalWorkspaceTypeName, tenancyv1alpha1.WorkspaceTypeSpec{
			Initializer:               true,
			DefaultChildWorkspaceType: &universal,
			DefaultAPIBindings: []tenancyv1alpha1.APIExportReference{
				{Path: logicalcluster.Root.String(), Export: "tenancy.kcp.io"},
				{Path: logicalcluster.Root.String(), Export: "topology.kcp.io"},
			},
		}),
		builtinType(tenancyv1alpha1.RootWorkspaceTypeName, tenancyv1alpha1.WorkspaceTypeSpec{
			Extend:                    extending(universal),
			DefaultChildWorkspaceType: &organization,
			LimitAllowedParents:       &tenancyv1alpha1.WorkspaceTypeSelector{None: true},
		}),
		builtinType(tenancyv1alpha1.OrganizationWorkspaceTypeName, tenancyv1alpha1.WorkspaceTypeSpec{
			Extend:                    extending(universal),
			DefaultChildWorkspaceType: &universal,
			LimitAllowedParents:       anyOf(rootType(tenancyv1alpha1.RootWorkspaceTypeName)),
			LimitAllowedChildren:      anyOf(universal),
		}),
		builtinType(tenancyv1alpha1.TeamWorkspaceTypeName, tenancyv1alpha1.WorkspaceTypeSpec{
			Extend:                    extending(universal),
			DefaultChildWorkspaceType: &universal,
			LimitAllowedParents:       anyOf(organization, rootType(tenancyv1alpha1.TeamWorkspaceTypeName)),
		}),
		builtinType(tenancyv1alpha1.HomeWorkspaceTypeName, tenancyv1alpha1.WorkspaceTypeSpec{
			Extend:                    extending(universal),
			DefaultChildWorkspaceType: &universal,
			LimitAllowedParents:       anyOf(rootType(tenancyv1alpha1.HomeBucketWorkspaceTypeName)),
		}),
		builtinType(tenancyv1alpha1.HomeBucketWorkspaceTypeName, tenancyv1alpha1.WorkspaceTypeSpec{
			LimitAllowedParents: anyOf(
				rootType(tenancyv1alpha1.RootWorkspaceTypeName), rootType(tenancyv1alpha1.HomeBucketWorkspaceTypeName)),
			LimitAllowedChildren: anyOf(
				rootType(tenancyv1alpha1.HomeWorkspaceTypeName), rootType(tenancyv1alpha1.HomeBucketWorkspaceTypeName)),
		}),
	}
}

func builtinType(name tenancyv1alpha1.WorkspaceTypeName, spec tenancyv1alpha1.WorkspaceTypeSpec) *tenancyv1alpha1.WorkspaceType {
	return &tenancyv1alpha1.WorkspaceType{
		ObjectMeta: metav1.ObjectMeta{Name: string(name), Annotations: map[string]string{logicalcluster.AnnotationKey: logicalcluster.Root.String()}},
		Spec:       spec,
	}
}

func rootType(name tenancyv1alpha1.WorkspaceTypeName) tenancyv1alpha1.WorkspaceTypeReference {
	return tenancyv1alpha1.WorkspaceTypeReference{Path: logicalcluster.Root.String(), Name: name}
}

func extending(types ...tenancyv1alpha1.WorkspaceTypeReference) tenancyv1alpha1.WorkspaceTypeExtension {
	return tenancyv1alpha1.WorkspaceTypeExtension{With: types}
}

func anyOf(types ...tenancyv1alpha1.WorkspaceTypeReference) *tenancyv1alpha1.WorkspaceTypeSelector {
	return &tenancyv1alpha1.WorkspaceTypeSelector{Types: types}
}

// defaultChildType returns the type of a child that names none, from the type
// of its parent ("root:organization"). What says nothing gets universal, and so
// does what meant a type in a workspace that is another one by now.
func defaultChildType(parentType logicalcluster.Path, lookup TypeLookup) tenancyv1alpha1.WorkspaceTypeReference {
	path, name := parentType.Split()
	found, ok := lookup(path, tenancyv1alpha1.WorkspaceTypeName(name))
	if !ok || found.Spec.DefaultChildWorkspaceType == nil {
		return rootType(tenancyv1alpha1.UniversalWorkspaceTypeName)
	}
	ref := *found.Spec.DefaultChildWorkspaceType
	child, ok := lookup(logicalcluster.Path(ref.Path), ref.Name)
	if meant, noted := MeantWorkspaces(found)[ref.Path]; ok && noted && meant != (Ancestor{Type: child}).Home() {
		return rootType(tenancyv1alpha1.UniversalWorkspaceTypeName)
	}
	return ref
}

// findType returns the type that ref names, seen from the workspace at parent.
// A reference without a path is looked for there, in every workspace above, and
// at last in root. The returned reference has the path it was found at.
func findType(parent logicalcluster.Path, ref tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) (*tenancyv1alpha1.WorkspaceType, tenancyv1alpha1.WorkspaceTypeReference, bool) {
	if ref.Path != "" {
		found, ok := lookup(logicalcluster.Path(ref.Path), ref.Name)
		return found, ref, ok
	}
	for _, path := range upwards(parent) {
		if found, ok := lookup(path, ref.Name); ok {
			return found, tenancyv1alpha1.WorkspaceTypeReference{Path: path.String(), Name: ref.Name}, true
		}
	}
	return nil, ref, false
}

// upwards returns path and everything above it; root is always among them.
func upwards(path logicalcluster.Path) []logicalcluster.Path {
	paths := []logicalcluster.Path{path}
	for {
		parent, ok := path.Parent()
		if !ok {
			break
		}
		path = parent
		paths = append(paths, path)
	}
	if path != logicalcluster.Root.Path() {
		paths = append(paths, logicalcluster.Root.Path())
	}
	return paths
}
