package keyspace

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// nowhereSegment stands where a workspace's name would. Names start with a
	// letter or a digit, so no workspace can be called so (K4).
	nowhereSegment = "-"
	// strayKeySegment collects cached objects whose stamp is not a valid name,
	// apart from every workspace and from Nowhere.
	strayKeySegment = "!"
)

// Layout is the key layout of one resource. Make it with NewLayout.
type Layout struct {
	prefix string // with leading and trailing slash
}

// NewLayout returns the Layout of the resource stored under resourcePrefix,
// such as "/configmaps" or "/example.io/widgets/customresources". A trailing
// slash is allowed.
func NewLayout(resourcePrefix string) (Layout, error) {
	trimmed := strings.TrimSuffix(resourcePrefix, "/")
	if !strings.HasPrefix(trimmed, "/") || len(trimmed) < 2 {
		return Layout{}, fmt.Errorf("resource prefix %q does not name a resource", resourcePrefix)
	}
	for _, segment := range strings.Split(trimmed[1:], "/") {
		if segment == "" || !safeSegment(segment) {
			return Layout{}, fmt.Errorf("resource prefix %q has the segment %q", resourcePrefix, segment)
		}
	}
	return Layout{prefix: trimmed + "/"}, nil
}

// Prefix returns what all keys of the resource start with, in all workspaces,
// including the trailing slash.
func (l Layout) Prefix() string { return l.prefix }

// Workspace returns what all keys of the resource in one workspace start with,
// including the trailing slash. It panics on an invalid name (K3).
func (l Layout) Workspace(name logicalcluster.Name) string {
	return l.Home(In(name))
}

// Home returns what all keys of s start with: the prefix itself for all
// workspaces, a prefix under which nothing is stored for none.
func (l Layout) Home(s Scope) string {
	switch s.reach {
	case all:
		return l.prefix
	case one:
		return l.prefix + string(s.workspace) + "/"
	default:
		return l.prefix + nowhereSegment + "/"
	}
}

// Rest returns the part of a registry's key below the prefix: "ns/name",
// "name", "ns/" or "". The key must lie under the prefix and hold neither
// "." and ".." segments nor control characters.
func (l Layout) Rest(key string) (string, error) {
	if key+"/" == l.prefix {
		return "", nil
	}
	rest, ok := strings.CutPrefix(key, l.prefix)
	if !ok {
		return "", fmt.Errorf("invalid key: %q lacks resource prefix: %q", clip(key), l.prefix)
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if !safeSegment(segment) {
			// It comes from a URL; what is before it is nobody's business.
			return "", apierrors.NewBadRequest(fmt.Sprintf("%q is no namespace and name: it has the segment %q", clip(rest), clip(segment)))
		}
	}
	return rest, nil
}

// Key turns the key a registry made ("/configmaps/ns/name") into the one the
// object has in s ("/configmaps/<workspace>/ns/name"). For all workspaces
// there is no such key, which is an error.
func (l Layout) Key(s Scope, key string) (string, error) {
	if s.All() {
		return "", fmt.Errorf("invalid key: %q is in no particular workspace", clip(key))
	}
	rest, err := l.Rest(key)
	if err != nil {
		return "", err
	}
	return l.Home(s) + rest, nil
}

// Stamped is Key for an object that says itself where it lives. An object
// without a valid stamp gets a key outside of every workspace, so that one
// stray object stays invisible instead of breaking its resource.
func (l Layout) Stamped(stamp logicalcluster.Name, key string) (string, error) {
	if stamp.IsValid() {
		return l.Key(In(stamp), key)
	}
	rest, err := l.Rest(key)
	if err != nil {
		return "", err
	}
	return l.prefix + strayKeySegment + "/" + rest, nil
}

// Split is the reverse of Key: it returns the workspace of a stored key and
// the rest. It is false for keys that belong to no workspace of this resource.
func (l Layout) Split(stored string) (name logicalcluster.Name, rest string, ok bool) {
	below, ok := strings.CutPrefix(stored, l.prefix)
	if !ok {
		return "", "", false
	}
	segment, rest, ok := strings.Cut(below, "/")
	name = logicalcluster.Name(segment)
	if !ok || !name.IsValid() {
		return "", "", false
	}
	return name, rest, true
}

// SplitRest divides what Rest returned into namespace and name. Of a single
// segment only the caller knows which of the two it is: it comes back as last.
func SplitRest(rest string) (first, last string) {
	rest = strings.TrimSuffix(rest, "/")
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		return rest[:i], rest[i+1:]
	}
	return "", rest
}

// safeSegment refuses what a cleaned path would resolve and what no API
// accepts in a name: control characters. Empty segments are harmless, keys are
// literal in etcd.
func safeSegment(segment string) bool {
	if segment == "." || segment == ".." {
		return false
	}
	for i := 0; i < len(segment); i++ {
		if segment[i] < 0x20 || segment[i] == 0x7f {
			return false
		}
	}
	return true
}

// clip keeps a hostile key out of messages and logs: 120 bytes tell enough.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
