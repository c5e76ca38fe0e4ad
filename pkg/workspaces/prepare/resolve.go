package prepare

import (
	"fmt"
	"slices"
	"strings"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxLineage is how many types a type may stand for, itself included. Resolving
// is part of creating a workspace, so it must not become a tenant's loop.
const maxLineage = 64

// maxBindings is how many default bindings a type may have together with all it
// extends.
const maxBindings = 64

// Ancestor is one of the types that a type stands for: itself, or one it extends.
type Ancestor struct {
	tenancyv1alpha1.WorkspaceTypeReference
	Type *tenancyv1alpha1.WorkspaceType
}

// Home is the workspace the type lives in. It is empty for a type that was
// never stored.
func (a Ancestor) Home() logicalcluster.Name { return logicalcluster.From(a.Type) }

// identity is the same for all ways to write the path of one type.
func (a Ancestor) identity() string {
	if home := a.Home(); home != "" {
		return home.String() + ":" + a.Type.Name
	}
	return a.String()
}

// DefaultBinding is an export that workspaces of a type bind.
type DefaultBinding struct {
	// Path and Export are what the APIBinding refers to.
	Path   logicalcluster.Path
	Export string
	// Home is the ID of the workspace that Path meant when the type was written,
	// or empty when that is not known.
	Home logicalcluster.Name
	// Maintain says that the binding is put back when it is gone.
	Maintain bool
}

// Resolved is a type together with all it extends, the nearest first.
type Resolved struct {
	Lineage      []Ancestor
	Initializers []corev1alpha1.LogicalClusterInitializer
	Terminators  []corev1alpha1.LogicalClusterTerminator
	// Bindings are the default API bindings, each once, without those whose APIs
	// every workspace serves anyway.
	Bindings []DefaultBinding
	// Labels are put on the Workspace. The nearest type has the last word.
	Labels map[string]string
	// AuthenticationConfigurations are the ways to log in that the types add.
	AuthenticationConfigurations []logicalcluster.Key
}

// Unresolved is the error of Resolve: what of the lineage of a type is not right.
type Unresolved struct {
	// Missing are types that do not exist.
	Missing []tenancyv1alpha1.WorkspaceTypeReference
	// Circles are types that extend themselves by way of those in between: the
	// first is also the last.
	Circles [][]tenancyv1alpha1.WorkspaceTypeReference
	// TooMany says that there are more types than a type can stand for,
	// TooManyBindings the same of default bindings.
	TooMany, TooManyBindings bool
}

// Error implements error.
func (u *Unresolved) Error() string {
	var parts []string
	for _, ref := range u.Missing {
		parts = append(parts, fmt.Sprintf("workspace type %q does not exist", ref))
	}
	for _, circle := range u.Circles {
		names := make([]string, 0, len(circle))
		for _, ref := range circle {
			names = append(names, ref.String())
		}
		parts = append(parts, "workspace types extend each other in a circle: "+strings.Join(names, " -> "))
	}
	if u.TooMany {
		parts = append(parts, fmt.Sprintf("it extends more than %d workspace types", maxLineage-1))
	}
	if u.TooManyBindings {
		parts = append(parts, fmt.Sprintf("together they have more than %d default API bindings", maxBindings))
	}
	return strings.Join(parts, "; ")
}

// Resolve finds the type that ref names and all that it extends. A type whose
// extensions are not all there, or go in a circle, is returned as far as it
// could be followed, together with an *Unresolved.
func Resolve(ref tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) (Resolved, error) {
	r := follow(ref, withBuiltins(lookup))
	resolved := Resolved{Lineage: r.lineage}
	for _, ancestor := range r.lineage {
		resolved.add(ancestor)
	}
	if len(resolved.Bindings) > maxBindings {
		resolved.Bindings, r.trouble.TooManyBindings = resolved.Bindings[:maxBindings], true
	}
	if len(resolved.Bindings) > 0 {
		resolved.Initializers = append(resolved.Initializers, corev1alpha1.APIBindingsInitializer)
	}
	return resolved, r.trouble.orNil()
}

// ResolveType is Resolve for a type that is not stored yet, or is about to be
// changed: self takes the place of what the lookup has at ref.
func ResolveType(self Ancestor, lookup TypeLookup) (Resolved, error) {
	identity := self.identity()
	return Resolve(self.WorkspaceTypeReference, func(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
		if name == self.Name && (path == logicalcluster.Path(self.Path) || path == self.Home().Path()) {
			return self.Type, true
		}
		found, ok := lookup(path, name)
		if ok && (Ancestor{Type: found}).identity() == identity {
			return self.Type, true
		}
		return found, ok
	})
}

func (u *Unresolved) orNil() error {
	if len(u.Missing) == 0 && len(u.Circles) == 0 && !u.TooMany && !u.TooManyBindings {
		return nil
	}
	return u
}

func (r *Resolved) add(a Ancestor) {
	spec, home := a.Type.Spec, a.Home()
	if spec.Initializer {
		r.Initializers = append(r.Initializers, corev1alpha1.InitializerOf(home, a.Type.Name))
	}
	if spec.Terminator {
		r.Terminators = append(r.Terminators, corev1alpha1.TerminatorOf(home, a.Type.Name))
	}
	for key, value := range spec.AdditionalWorkspaceLabels {
		if _, nearer := r.Labels[key]; nearer {
			continue
		}
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels[key] = value
	}
	for _, configuration := range spec.AuthenticationConfigurations {
		r.AuthenticationConfigurations = append(r.AuthenticationConfigurations, logicalcluster.Key{Workspace: home, Name: configuration.Name})
	}
	for _, binding := range defaultBindings(a) {
		r.addBinding(binding)
	}
}

func (r *Resolved) addBinding(binding DefaultBinding) {
	at := slices.IndexFunc(r.Bindings, func(b DefaultBinding) bool { return b.Path == binding.Path && b.Export == binding.Export })
	if at < 0 {
		r.Bindings = append(r.Bindings, binding)
		return
	}
	r.Bindings[at].Maintain = r.Bindings[at].Maintain || binding.Maintain
}

func defaultBindings(a Ancestor) []DefaultBinding {
	lifecycle := a.Type.Spec.DefaultAPIBindingLifecycle
	maintain := lifecycle != nil && *lifecycle == tenancyv1alpha1.APIBindingLifecycleModeMaintain
	var bindings []DefaultBinding
	for _, ref := range a.Type.Spec.DefaultAPIBindings {
		binding := DefaultBinding{Path: logicalcluster.Path(ref.Path), Export: ref.Export, Maintain: maintain}
		if ref.Path == "" {
			binding.Path = a.Home().Path()
		}
		if !ServedEverywhere(binding.Path, binding.Export) {
			bindings = append(bindings, binding)
		}
	}
	if len(bindings) == 0 {
		return nil
	}
	meant := MeantWorkspaces(a.Type)
	for i := range bindings {
		bindings[i].Home = meant[bindings[i].Path.String()]
		if bindings[i].Path == a.Home().Path() {
			bindings[i].Home = a.Home()
		}
	}
	return bindings
}

// resolver follows extensions depth first.
type resolver struct {
	lookup  TypeLookup
	lineage []Ancestor
	seen    map[string]bool
	// trail are the types from the first one to where the resolver is.
	trail   []Ancestor
	trouble Unresolved
}

func follow(ref tenancyv1alpha1.WorkspaceTypeReference, lookup TypeLookup) *resolver {
	r := &resolver{lookup: lookup, seen: map[string]bool{}}
	found, ref, ok := findType(logicalcluster.Root.Path(), ref, lookup)
	if !ok {
		r.trouble.Missing = append(r.trouble.Missing, ref)
		return r
	}
	r.visit(Ancestor{ref, found})
	return r
}

func (r *resolver) visit(a Ancestor) {
	if r.circle(a) || r.seen[a.identity()] {
		return
	}
	if len(r.lineage) == maxLineage {
		r.trouble.TooMany = true
		return
	}
	r.seen[a.identity()] = true
	r.lineage, r.trail = append(r.lineage, a), append(r.trail, a)
	meant := MeantWorkspaces(a.Type)
	for _, ref := range a.Type.Spec.Extend.With {
		base, ok := extended(a, ref, meant, r.lookup)
		if !ok {
			r.trouble.Missing = append(r.trouble.Missing, base.WorkspaceTypeReference)
			continue
		}
		r.visit(base)
	}
	r.trail = r.trail[:len(r.trail)-1]
}

// circle notes that a is reached again on the way down from itself.
func (r *resolver) circle(a Ancestor) bool {
	at := slices.IndexFunc(r.trail, func(b Ancestor) bool { return b.identity() == a.identity() })
	if at < 0 {
		return false
	}
	var circle []tenancyv1alpha1.WorkspaceTypeReference
	for _, between := range append(slices.Clone(r.trail[at:]), a) {
		circle = append(circle, between.WorkspaceTypeReference)
	}
	r.trouble.Circles = append(r.trouble.Circles, circle)
	return true
}

// extended finds a type that a extends. A reference without a path means the
// workspace that was noted down for it, or else is looked for where a lives and
// above.
func extended(a Ancestor, ref tenancyv1alpha1.WorkspaceTypeReference, all map[string]logicalcluster.Name, lookup TypeLookup) (Ancestor, bool) {
	meant, noted := all[MeantKey(ref)]
	if noted && ref.Path == "" {
		ref.Path = meant.String()
	}
	found, ref, ok := findType(logicalcluster.Path(a.Path), ref, lookup)
	if !ok {
		return Ancestor{WorkspaceTypeReference: ref}, false
	}
	base := Ancestor{ref, found}
	return base, !noted || meant == base.Home()
}
