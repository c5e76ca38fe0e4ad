package arrows

// Floor is a row of packages that do not import each other.
type Floor struct {
	// Name and What say which floor it is and what lives there.
	Name, What string
	// Rooms are the packages, relative to the module.
	Rooms []string
}

// House lists the floors from the ground up. A package belongs on the lowest
// floor above everything it imports.
var House = []Floor{
	{"F0.0", "words", []string{"sdk/logicalcluster", "sdk/apis/conditions/v1alpha1", "config/crds"}},
	{"F0.1", "nouns", []string{"sdk/apis/apis/v1alpha2", "sdk/apis/core/v1alpha1", "sdk/apis/scheduling/v1alpha1"}},
	{"F0.2", "nouns that refer to nouns", []string{"sdk/apis/tenancy/v1alpha1", "sdk/apis/apis/v1alpha1", "sdk/apis/cache/v1alpha1", "sdk/apis/publication/v1alpha1"}},
	{"F0.3", "nouns that refer to those", []string{"sdk/apis/workload/v1alpha1"}},
	{"F0.4", "all nouns", []string{"sdk/apis/scheme"}},
	{"F0.5", "the client's door", []string{"sdk/client"}},
	{"F1.0", "who is who", []string{"pkg/identity"}},
	{"F1.1", "pure logic", []string{
		"pkg/inflight", "pkg/keyspace", "pkg/schemas", "pkg/schemas/celconversion", "pkg/scheduling/decide", "pkg/syncer/transform", "pkg/target", "pkg/workspaces/prepare",
		"pkg/homes/naming", "pkg/mounts/doors", "pkg/roster", "pkg/claims",
		"pkg/publications/decide", "pkg/schemas/fit",
		"pkg/nesting", "pkg/elastic",
		"pkg/identity/issuer",
	}},
	{"F2.0", "doors that know no workspace", []string{"pkg/etcd", "internal/pki", "pkg/egress", "pkg/failpoint"}},
	{"F2.1", "doors to data and time", []string{"pkg/partition", "pkg/informers", "pkg/loop", "pkg/syncer/remote"}},
	{"F3", "read models and REST", []string{
		"pkg/directory", "pkg/catalog", "pkg/inventory", "pkg/inventory/inventorytest", "pkg/replication", "pkg/customresources", "pkg/nativeapis",
		"pkg/conversions", "pkg/ledger",
	}},
	{"F4", "the request path", []string{"pkg/routing", "pkg/access", "pkg/authentication", "pkg/admission", "pkg/admission/policies", "pkg/discovery", "pkg/views", "pkg/homes", "pkg/mounts/proxy"}},
	{"F5", "control loops, and what the plugins share", []string{
		"pkg/workspaces", "pkg/workspaces/types", "pkg/workspaces/defaults", "pkg/bindings", "pkg/publications", "pkg/mounts", "pkg/scheduling", "pkg/syncer/copy",
		"pkg/upkeep", "pkg/upkeep/bootstrap", "pkg/upkeep/crds", "pkg/upkeep/namespaces", "pkg/upkeep/serviceaccounts",
		"pkg/upkeep/storagemigrations",
		"pkg/upkeep/tokensecrets",
		"internal/cli",
	}},
	{"F6", "composition roots", []string{"pkg/server", "pkg/syncer", "internal/cliatrium", "internal/cliws"}},
	{"F7", "flags and exit codes", []string{"cmd/atrium", "cmd/atrium-syncer", "cmd/kubectl-ws", "cmd/kubectl-atrium", "cmd/kubectl-create-workspace"}},
	{"yard", "tools of the repository, no part of a program", []string{"internal/arrows", "internal/staging", "docs/tutorial/controller"}},
}

// Roof is the folder whose packages may import everything and are imported by
// nobody outside it: end-to-end tests, demo, benchmarks.
const Roof = "test"

// Wall keeps packages out of rooms.
type Wall struct {
	// Rooms are packages of this module; "x/..." is x and all below it.
	Rooms []string
	// Out are import paths that may not come in, each with all below it. Those
	// of this module are written relative to it.
	Out []string
	// Deep means not through other packages either.
	Deep bool
	// Why says what the wall protects, Instead what to do.
	Why, Instead string
}

// Walls hold what floors cannot say: what a room must not know about.
var Walls = []Wall{
	{
		Rooms: []string{
			"sdk/...", "config/crds", "pkg/syncer/...", "internal/cli", "internal/cliatrium", "internal/cliws",
			"cmd/atrium-syncer", "cmd/kubectl-ws", "cmd/kubectl-atrium", "cmd/kubectl-create-workspace",
		},
		Out:     []string{"k8s.io/apiserver", "k8s.io/kubernetes", "go.etcd.io"},
		Deep:    true,
		Why:     "what runs at users and in child clusters stays small, and builds without a server's dependencies",
		Instead: "ask the hub over its API, or move the types both sides need to sdk",
	},
	{
		Rooms: []string{
			"pkg/keyspace", "pkg/schemas", "pkg/schemas/celconversion", "pkg/scheduling/decide", "pkg/syncer/transform", "pkg/target", "pkg/workspaces/prepare",
			"pkg/identity/...", "pkg/homes/naming", "pkg/claims",
			"pkg/publications/decide", "pkg/schemas/fit",
		},
		Out: []string{
			"net", "os", "go.etcd.io", "k8s.io/apiserver/pkg/storage", "k8s.io/klog", "k8s.io/utils/clock",
			"k8s.io/client-go/dynamic", "k8s.io/client-go/kubernetes", "k8s.io/client-go/rest", "k8s.io/client-go/tools",
		},
		Why:     "pure logic is tested by tables: the same facts in, the same decision out",
		Instead: "take what is needed as an argument, the time included, and let a loop fetch it",
	},
	{
		Rooms:   []string{"pkg/etcd"},
		Out:     []string{"sdk", "pkg"},
		Why:     "etcd is started and stopped without knowing what is kept in it",
		Instead: "put what knows workspaces into pkg/partition",
	},
	{
		Rooms:   []string{"pkg/partition"},
		Out:     []string{"net/http", "pkg/schemas", "pkg/etcd"},
		Why:     "storage is partitioned the same way whatever is stored, whoever asks, and wherever etcd runs",
		Instead: "carry what the request says in a keyspace.Scope, and take etcd's endpoints from the storage options",
	},
	{
		Rooms:   []string{"pkg/loop"},
		Out:     []string{"sdk/apis", "k8s.io/api"},
		Why:     "one work queue serves every kind",
		Instead: "decide in the Reconcile function of the loop's owner",
	},
	{
		Rooms:   []string{"pkg/directory", "pkg/catalog", "pkg/inventory"},
		Out:     []string{"net/http", "go.etcd.io", "k8s.io/apiserver/pkg/storage"},
		Why:     "a read model answers from memory what it was told; it never asks",
		Instead: "feed it from an informer, in pkg/server",
	},
	{
		Rooms:   []string{"pkg/catalog", "pkg/discovery", "pkg/workspaces", "pkg/bindings"},
		Out:     []string{"go.etcd.io"},
		Why:     "only the storage rooms know that etcd is what data lies in",
		Instead: "use the partition's or the client's operations",
	},
	{
		Rooms:   []string{"pkg/customresources"},
		Out:     []string{"pkg/keyspace", "sdk"},
		Why:     "a shape is served for any number of workspaces, so its handler cannot know one",
		Instead: "leave the scope in the request's context, where storage finds it",
	},
	{
		Rooms:   []string{"pkg/access"},
		Out:     []string{"go.etcd.io", "k8s.io/apiserver/pkg/storage"},
		Why:     "who may do what is decided from rules, wherever they are stored",
		Instead: "take a getter function",
	},
	{
		Rooms:   []string{"pkg/workspaces"},
		Out:     []string{"pkg/routing", "pkg/access"},
		Why:     "the life of a workspace is the same whatever its URL looks like and whoever asks",
		Instead: "use sdk/client, or the storage that pkg/partition opens",
	},
	{
		Rooms:   []string{"pkg/views", "pkg/scheduling"},
		Out:     []string{"pkg/syncer"},
		Why:     "the hub and its agents agree on a protocol, not on code",
		Instead: "put names that both sides write into sdk/apis/workload",
	},
	{
		Rooms:   []string{"pkg/syncer/copy"},
		Out:     []string{"sdk/apis", "sdk/client"},
		Why:     "a copy works the same up and down, so it cannot know which side is the hub",
		Instead: "tell it by Rules",
	},
}

// Exception is an arrow against L1 or L2 that is known and waits to be mended.
type Exception struct{ From, To, Why string }

// Exceptions are few. One that is not needed any more is an error.
var Exceptions = []Exception{}
