// Package logicalcluster holds the two ways to say which workspace is meant, as
// two types that the compiler keeps apart.
//
// A Name is the ID under which a workspace is stored: one segment of an etcd
// key, never reused, never shown in a path typed by a person except by choice.
// A Path is what people type: names of workspaces joined by colons, from the
// root down ("root:org:team"). Only the directory turns a Path into a Name.
package logicalcluster

import (
	"regexp"
	"strings"
)

// AnnotationKey is stamped by the hub on every object it stores. The value is
// the Name of the workspace the object lives in.
const AnnotationKey = "kcp.io/cluster"

// Name identifies a workspace. It is a DNS-1123-like word, or one of the
// system names, which contain a colon ("system:admin").
type Name string

// Path is an absolute or relative chain of workspace names joined by colons.
type Path string

const (
	// Root is the Name and the Path of the workspace everything descends from.
	Root Name = "root"
	// SystemAdmin holds the objects of hub components that know nothing of
	// workspaces. Requests without /clusters/... go there.
	SystemAdmin Name = "system:admin"
	// SystemBoundCRDs holds copies of the schemas that workspaces have bound, so
	// that they stay served whatever becomes of the originals.
	SystemBoundCRDs Name = "system:bound-crds"
	// Wildcard means "all workspaces" where a Name is expected in a URL.
	Wildcard Name = "*"
)

var (
	nameExp = regexp.MustCompile(`^(system:)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	pathExp = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)
)

// maxPath bounds a path typed by a stranger; 4 kB is deeper than any tree.
const maxPath = 4096

// IsValid reports whether n can be a key segment. The Wildcard is not valid.
func (n Name) IsValid() bool { return nameExp.MatchString(string(n)) }

// Empty reports whether n was not set.
func (n Name) Empty() bool { return n == "" }

// String returns the name.
func (n Name) String() string { return string(n) }

// Path returns the path that consists of n alone. Any hub URL accepts a Name
// where a Path is expected.
func (n Name) Path() Path { return Path(n) }

// NewPath joins the given segments.
func NewPath(segments ...string) Path { return Path(strings.Join(segments, ":")) }

// IsValid reports whether every segment of p is a workspace name.
func (p Path) IsValid() bool { return len(p) <= maxPath && pathExp.MatchString(string(p)) }

// Empty reports whether p was not set.
func (p Path) Empty() bool { return p == "" }

// String returns the path as people type it.
func (p Path) String() string { return string(p) }

// Name returns the only segment of p as a Name, and false when p has several:
// "root" and "2xk8p9" are names, "root:org" is not. System names are names too.
func (p Path) Name() (Name, bool) {
	n := Name(p)
	return n, n.IsValid()
}

// Join returns p with one more segment.
func (p Path) Join(name string) Path {
	if p == "" {
		return Path(name)
	}
	return Path(string(p) + ":" + name)
}

// Split returns the parent of p and the last segment. The parent of a single
// segment is empty.
func (p Path) Split() (parent Path, name string) {
	i := strings.LastIndexByte(string(p), ':')
	if i < 0 {
		return "", string(p)
	}
	return p[:i], string(p[i+1:])
}

// Parent returns p without its last segment, and false when there is none.
func (p Path) Parent() (Path, bool) {
	parent, _ := p.Split()
	return parent, parent != ""
}

// Base returns the last segment.
func (p Path) Base() string {
	_, name := p.Split()
	return name
}

// Segments returns the names p is made of.
func (p Path) Segments() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), ":")
}

// HasPrefix reports whether p is other or a descendant of it.
func (p Path) HasPrefix(other Path) bool {
	return p == other || other == "" || strings.HasPrefix(string(p), string(other)+":")
}

// RequestPath returns the URL path prefix under which the hub serves p.
func (p Path) RequestPath() string { return "/clusters/" + string(p) }

// object is the little of metav1.Object that From needs, so that importing
// this package costs nothing.
type object interface {
	GetAnnotations() map[string]string
}

// From returns the workspace that the hub stamped on obj, or "".
func From(obj object) Name { return Name(obj.GetAnnotations()[AnnotationKey]) }
