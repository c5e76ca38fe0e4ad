package claims

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Export is an APIExport, by the ID of its workspace and its name.
type Export struct {
	Workspace logicalcluster.Name
	Name      string
}

// Hash stands for the export in the names and values of labels.
func (e Export) Hash() string {
	return apisv1alpha2.BindingExportLabelValue(e.Workspace, e.Name)
}

// LabelKey is the label that marks what the export has claimed.
func (e Export) LabelKey() string {
	return apisv1alpha2.APIExportPermissionClaimLabelPrefix + e.Hash()
}

// IsLabel reports whether a label is one that claims make.
func IsLabel(key string) bool {
	return strings.HasPrefix(key, apisv1alpha2.APIExportPermissionClaimLabelPrefix)
}

// OwnBinding is the value of the label on the binding of an export itself, which
// the provider always sees.
var OwnBinding = base62([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7})

// ClaimHash stands for a claim. It does not depend on what may change while the
// claim is the same one: its verbs and the selector that it suggests.
func ClaimHash(claim apisv1alpha2.PermissionClaim) string {
	data, err := json.Marshal(apisv1alpha2.PermissionClaim{
		GroupResource: groupResource(Stored(claim.GroupResource)), IdentityHash: claim.IdentityHash,
	})
	if err != nil {
		panic(fmt.Sprintf("claims: three strings cannot be written as JSON: %v", err))
	}
	return hash(data)
}

// Events have two names, of which the first is that of what is stored.
var events, newerEvents = schema.GroupResource{Resource: "events"}, schema.GroupResource{Group: "events.k8s.io", Resource: "events"}

// Stored returns the resource under which the objects of a resource are stored.
func Stored(resource apisv1alpha2.GroupResource) schema.GroupResource {
	gr := schema.GroupResource{Group: resource.Group, Resource: resource.Resource}
	if gr == newerEvents {
		return events
	}
	return gr
}

// OtherName returns the other name of a resource, and false when it has only one.
func OtherName(resource schema.GroupResource) (schema.GroupResource, bool) {
	switch resource {
	case events:
		return newerEvents, true
	case newerEvents:
		return events, true
	default:
		return schema.GroupResource{}, false
	}
}

func groupResource(gr schema.GroupResource) apisv1alpha2.GroupResource {
	return apisv1alpha2.GroupResource{Group: gr.Group, Resource: gr.Resource}
}

// The endings of label values, of claims that do not allow to list and to watch.
const (
	openToAll   = ""
	openToList  = "-l"
	openToWatch = "-w"
	openToNone  = "-n"
)

// ending says which views over all workspaces show objects of a claim with these
// verbs.
func ending(verbs []string) string {
	switch list, watch := Allows(verbs, "list"), Allows(verbs, "watch"); {
	case list && watch:
		return openToAll
	case list:
		return openToList
	case watch:
		return openToWatch
	default:
		return openToNone
	}
}

// plain returns the value of a label without its ending.
func plain(value string) string {
	hash, _, _ := strings.Cut(value, "-")
	return hash
}

// Reach is what a request through a view asks for.
type Reach int

const (
	// OneWorkspace is a request to one workspace, whose verb has been judged.
	OneWorkspace Reach = iota
	// ListAll and WatchAll ask for the objects of all workspaces.
	ListAll
	WatchAll
)

// Selector matches the objects that the export sees by a claim. The bindings of
// the export are among them when apibindings are claimed.
func (e Export) Selector(claim apisv1alpha2.PermissionClaim, reach Reach) labels.Selector {
	endings := map[Reach][]string{
		OneWorkspace: {openToAll, openToList, openToWatch, openToNone},
		ListAll:      {openToAll, openToList},
		WatchAll:     {openToAll, openToWatch},
	}[reach]
	var values []string
	for _, ending := range endings {
		values = append(values, ClaimHash(claim)+ending)
	}
	if isBindings(Stored(claim.GroupResource)) {
		values = append(values, OwnBinding)
	}
	return e.selector(values...)
}

// BindingsSelector matches the bindings of the export, for one that claims no
// others.
func (e Export) BindingsSelector() labels.Selector { return e.selector(OwnBinding) }

func (e Export) selector(values ...string) labels.Selector {
	requirement, err := labels.NewRequirement(e.LabelKey(), selection.In, values)
	if err != nil {
		panic(fmt.Sprintf("claims: %s with %v is no label: %v", e.LabelKey(), values, err))
	}
	return labels.NewSelector().Add(*requirement)
}

func isBindings(gr schema.GroupResource) bool { return gr == apisv1alpha2.Resource("apibindings") }

// Allows reports whether verbs, of which "*" is all, have verb among them.
func Allows(verbs []string, verb string) bool {
	return slices.Contains(verbs, verb) || slices.Contains(verbs, "*")
}

// Common returns the verbs that are in both lists, of which "*" is all, sorted.
func Common(a, b []string) []string {
	var common []string
	for _, list := range [][2][]string{{a, b}, {b, a}} {
		for _, verb := range list[0] {
			if Allows(list[1], verb) {
				common = append(common, verb)
			}
		}
	}
	slices.Sort(common)
	common = slices.Compact(common)
	if slices.Contains(common, "*") {
		return []string{"*"}
	}
	return common
}

// hash is how kcp writes a SHA-224 in labels.
func hash(data []byte) string {
	sum := sha256.Sum224(data)
	return base62(sum[:])
}

func base62(data []byte) string { return new(big.Int).SetBytes(data).Text(62) }
