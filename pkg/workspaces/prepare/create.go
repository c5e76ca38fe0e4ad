package prepare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/atriumhub/atrium/pkg/identity"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// ErrStranger says that the creator would be nobody in the new workspace: it is
// impersonated, and that holds in one workspace only.
var ErrStranger = errors.New("the creator of a workspace becomes its administrator")

// internalPrefix starts the annotations only the hub may set on a Workspace.
const internalPrefix = "internal.tenancy.kcp.io/"

// theShard is the name of the only shard.
const theShard = "root"

// Surroundings are the facts Create needs.
type Surroundings struct {
	// BaseURL is how users reach the hub, without "/clusters": "https://host:6443".
	BaseURL string
	// ParentPath is the canonical path of the workspace the new one is made in.
	ParentPath logicalcluster.Path
	// ParentType is the type of that workspace, such as "root:organization".
	ParentType logicalcluster.Path
	// ParentTypeID is the same type by the ID of the workspace it lives in, as it
	// was when the parent was made. It is empty when that is not known.
	ParentTypeID logicalcluster.Path
	// Types finds types. Nil means that only the built-in ones exist.
	Types TypeLookup
	// RequiredGroups are those that the parent lets in, nil when it lets in all.
	RequiredGroups *string
	// Random is where IDs come from: crypto/rand.Reader outside of tests.
	Random io.Reader
}

// Create completes a Workspace that creator asks for, just before it is stored.
// It assigns the ID and the address, the type if none was named, the finalizer
// and the owner. The error says what a tenant may not set.
func Create(workspace *tenancyv1alpha1.Workspace, creator user.Info, around Surroundings) error {
	if workspace.Spec.Mount != nil {
		return createMount(workspace, creator, around)
	}
	if err := assignCluster(workspace, creator, around); err != nil {
		return err
	}
	if err := setOwner(workspace, creator); err != nil {
		return err
	}
	if err := setType(workspace, around); err != nil {
		return err
	}
	inheritGroups(workspace, creator, around.RequiredGroups)
	workspace.Spec.URL = around.BaseURL + around.ParentPath.Join(workspace.Name).RequestPath()
	setAnnotation(workspace, tenancyv1alpha1.ClusterAnnotationKey, workspace.Spec.Cluster)
	setAnnotation(workspace, tenancyv1alpha1.ShardAnnotationKey, shardHash(theShard))
	setLabel(workspace, tenancyv1alpha1.PhaseLabel, string(corev1alpha1.LogicalClusterPhaseScheduling))
	if !slices.Contains(workspace.Finalizers, corev1alpha1.LogicalClusterFinalizer) {
		workspace.Finalizers = append(workspace.Finalizers, corev1alpha1.LogicalClusterFinalizer)
	}
	return nil
}

func assignCluster(workspace *tenancyv1alpha1.Workspace, creator user.Info, around Surroundings) error {
	if workspace.Spec.Cluster != "" && !identity.IsHub(creator) {
		return errors.New("spec.cluster is assigned by the hub: leave it out")
	}
	if workspace.Spec.URL != "" && !identity.IsHub(creator) {
		return errors.New("spec.URL is assigned by the hub: leave it out")
	}
	if workspace.Spec.Cluster != "" {
		return nil
	}
	id, err := NewID(around.Random)
	if err != nil {
		return err
	}
	workspace.Spec.Cluster = id.String()
	return nil
}

// setOwner records who creates. The hub itself may create in somebody's name,
// and owns nothing.
func setOwner(workspace *tenancyv1alpha1.Workspace, creator user.Info) error {
	if identity.IsHub(creator) {
		return nil
	}
	if identity.IsBorrowed(creator) {
		return fmt.Errorf("%w: you act as %q, whom no other workspace knows. Create it in your own name, and bind the role cluster-admin to %q in it", ErrStranger, creator.GetName(), creator.GetName())
	}
	for key := range workspace.Annotations {
		if strings.HasPrefix(key, internalPrefix) {
			delete(workspace.Annotations, key)
		}
	}
	owner, err := json.Marshal(identity.ToWire(creator))
	if err != nil {
		return fmt.Errorf("failed to encode the owner: %w", err)
	}
	setAnnotation(workspace, tenancyv1alpha1.OwnerAnnotationKey, string(owner))
	return nil
}

// TypeOfNew returns the type that Create gives to a workspace. Nothing of what
// the type says is looked at: whether it may be used is to be asked first.
func TypeOfNew(workspace *tenancyv1alpha1.Workspace, around Surroundings) tenancyv1alpha1.WorkspaceTypeReference {
	lookup := withBuiltins(around.Types)
	if noType(workspace) {
		return defaultChildType(around.ParentType, around.ofParent(lookup))
	}
	_, ref, _ := findType(around.ParentPath, *workspace.Spec.Type, lookup)
	return ref
}

// noType is true when the client left the type to the hub. Clients of kcp up to
// v0.27 have no other way to say so than a reference to nothing.
func noType(workspace *tenancyv1alpha1.Workspace) bool {
	return workspace.Spec.Type == nil || *workspace.Spec.Type == tenancyv1alpha1.WorkspaceTypeReference{}
}

// setType leaves a type that can not be found as it is: the lifecycle loop says
// so in a condition, and takes it up as soon as the type exists.
func setType(workspace *tenancyv1alpha1.Workspace, around Surroundings) error {
	lookup := withBuiltins(around.Types)
	if noType(workspace) {
		ref := defaultChildType(around.ParentType, around.ofParent(lookup))
		workspace.Spec.Type = &ref
	}
	_, ref, ok := findType(around.ParentPath, *workspace.Spec.Type, lookup)
	if !ok {
		return nil
	}
	resolved, err := Resolve(ref, lookup)
	if err != nil {
		return fmt.Errorf("workspace type %q cannot be used: %w", ref, err)
	}
	if err := fits(referenceOf(around.ParentType), ref, around.ofParent(lookup)); err != nil {
		return err
	}
	workspace.Spec.Type = &ref
	for key, value := range resolved.Labels {
		if _, set := workspace.Labels[key]; !set {
			setLabel(workspace, key, value)
		}
	}
	return nil
}

// ofParent returns lookup, to which the type of the parent is gone when another
// workspace is at the path of the one that it lived in: the type there is that of
// somebody else, who has no say in the workspaces of the former.
func (s Surroundings) ofParent(lookup TypeLookup) TypeLookup {
	home, _ := s.ParentTypeID.Split()
	if home.Empty() {
		return lookup
	}
	parent := referenceOf(s.ParentType)
	return func(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
		found, ok := lookup(path, name)
		if ok && path == logicalcluster.Path(parent.Path) && name == parent.Name && logicalcluster.From(found).Path() != home {
			return nil, false
		}
		return found, ok
	}
}

// withBuiltins lets the built-in types be found even before their objects are.
func withBuiltins(lookup TypeLookup) TypeLookup {
	return func(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
		if lookup != nil {
			if found, ok := lookup(path, name); ok {
				return found, true
			}
		}
		if path != logicalcluster.Root.Path() {
			return nil, false
		}
		i := slices.IndexFunc(builtins, func(t *tenancyv1alpha1.WorkspaceType) bool { return t.Name == string(name) })
		if i < 0 {
			return nil, false
		}
		return builtins[i], true
	}
}

var builtins = BuiltinTypes()

// ResolvedType returns the type of workspace, which lives in the workspace at
// parent, of type parentType. The error says why it can not be of that type.
func ResolvedType(workspace *tenancyv1alpha1.Workspace, parent, parentType logicalcluster.Path, types TypeLookup) (Resolved, error) {
	if workspace.Spec.Type == nil {
		return Resolved{}, errors.New("spec.type is missing")
	}
	lookup := withBuiltins(types)
	_, ref, ok := findType(parent, *workspace.Spec.Type, lookup)
	if !ok {
		return Resolved{}, &Unresolved{Missing: []tenancyv1alpha1.WorkspaceTypeReference{ref}}
	}
	resolved, err := Resolve(ref, lookup)
	if err != nil {
		return resolved, err
	}
	return resolved, fits(referenceOf(parentType), ref, lookup)
}

func referenceOf(path logicalcluster.Path) tenancyv1alpha1.WorkspaceTypeReference {
	home, name := path.Split()
	return tenancyv1alpha1.WorkspaceTypeReference{Path: home.String(), Name: tenancyv1alpha1.WorkspaceTypeName(name)}
}

func setAnnotation(workspace *tenancyv1alpha1.Workspace, key, value string) {
	if workspace.Annotations == nil {
		workspace.Annotations = map[string]string{}
	}
	workspace.Annotations[key] = value
}

func setLabel(workspace *tenancyv1alpha1.Workspace, key, value string) {
	if workspace.Labels == nil {
		workspace.Labels = map[string]string{}
	}
	workspace.Labels[key] = value
}
