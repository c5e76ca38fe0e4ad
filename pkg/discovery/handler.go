package discovery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	upstream "k8s.io/apiserver/pkg/endpoints/discovery"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// How many answers are kept: a list of groups is tens of kilobytes, an OpenAPI
// document up to two hundred, compressed.
const (
	keptDocuments = 256
	keptOpenAPIV3 = 128
	keptOpenAPIV2 = 16
)

// What a definition adds to OpenAPI v2 takes 10 ms to make, what is compiled in ten
// times that, and a document is made anew when one definition of a workspace changes.
// So parts are kept for as long as somebody reads v2 now and then; but not those of
// definitions so large (in bytes, as protobuf) that many of them would be much: a part
// is ten times that, and 100 KB.
const (
	keptParts   = 128
	largestPart = 32 << 10
	partsKept   = time.Minute
)

// Config is what a Handler composes its answers of.
type Config struct {
	Catalog *catalog.Catalog
	Natives Natives
	// ViewSet returns what is served to a request that does not see what its
	// workspace serves, and false for all others. Nil is false always.
	ViewSet func(context.Context) (*catalog.Set, bool)
}

// Handler answers discovery requests for the workspace in the request's scope.
type Handler struct {
	catalog *catalog.Catalog
	natives Natives
	viewSet func(context.Context) (*catalog.Set, bool)
	stamp   string // changes with the compiled-in APIs

	apis http.Handler // /apis, old form or aggregated as the client asks
	core http.Handler // /api

	documents *lru.Cache // Set.Hash → *documents
	v2        *lru.Cache // Set.Hash → *lazy[*document]
	v3        *lru.Cache // document hash → *lazy[*document]
	parts     *lru.Cache // shape/version, or nothing → *lazy[*spec.Swagger]
	forget    *time.Timer

	mu sync.Mutex // makes look-up and insertion in v2, v3 and parts one step
}

// New returns a Handler for the given catalog and compiled-in APIs.
func New(config Config) (*Handler, error) {
	if config.Catalog == nil {
		return nil, errors.New("discovery needs a Catalog")
	}
	stamp, err := stampOf(config.Natives)
	if err != nil {
		return nil, err
	}
	if config.ViewSet == nil {
		config.ViewSet = func(context.Context) (*catalog.Set, bool) { return nil, false }
	}
	h := &Handler{
		catalog: config.Catalog, natives: config.Natives, viewSet: config.ViewSet, stamp: stamp,
		documents: lru.New(keptDocuments), v2: lru.New(keptOpenAPIV2), v3: lru.New(keptOpenAPIV3),
		parts: lru.New(keptParts),
	}
	h.forget = time.AfterFunc(partsKept, h.parts.Clear)
	h.apis = eitherForm(
		h.forDocuments(func(d *documents, w http.ResponseWriter, r *http.Request) { d.root.ServeHTTP(w, r) }),
		h.forDocuments(func(d *documents, w http.ResponseWriter, r *http.Request) {
			writeAggregated(w, r, &d.groups, d.etag+"-apis")
		}))
	h.core = eitherForm(
		http.HandlerFunc(serveCoreVersions),
		h.forDocuments(func(d *documents, w http.ResponseWriter, r *http.Request) {
			writeAggregated(w, r, &d.core, d.etag+"-api")
		}))
	return h, nil
}

// Len returns the number of answers that are kept.
func (h *Handler) Len() int { return h.documents.Len() + h.v2.Len() + h.v3.Len() }

// stampOf identifies the compiled-in APIs: what they say of themselves, and
// the modules this binary was built of, whose schemas may differ.
func stampOf(natives Natives) (string, error) {
	hash := sha256.New()
	if err := json.NewEncoder(hash).Encode(natives.Groups); err != nil {
		return "", fmt.Errorf("hash compiled-in APIs: %w", err)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		_, _ = hash.Write([]byte(info.String()))
	}
	return hex.EncodeToString(hash.Sum(nil)[:10]), nil
}

// Handles reports whether a path, without the workspace prefix, is one that
// ServeHTTP answers.
func Handles(path string) bool {
	parts := splitPath(path)
	switch {
	case len(parts) == 0:
		return false
	case parts[0] == "api":
		return len(parts) <= 2
	case parts[0] == "apis":
		return len(parts) <= 3
	case parts[0] == "openapi" && len(parts) > 1:
		return parts[1] == "v2" && len(parts) == 2 || parts[1] == "v3"
	}
	return false
}

// ServeHTTP answers a request whose path Handles accepts.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, req.URL.Path+" can only be read", http.StatusMethodNotAllowed)
		return
	}
	set, ok := h.setOf(req)
	if !ok {
		http.NotFound(w, req)
		return
	}
	parts := splitPath(req.URL.Path)
	switch {
	case len(parts) == 1 && parts[0] == "api":
		h.core.ServeHTTP(w, req)
	case len(parts) == 1 && parts[0] == "apis":
		h.apis.ServeHTTP(w, req)
	case parts[0] == "api":
		h.serveVersion(w, req, set, schema.GroupVersion{Version: parts[1]})
	case parts[0] == "apis" && len(parts) == 2:
		h.serveGroup(w, req, set, parts[1])
	case parts[0] == "apis":
		h.serveVersion(w, req, set, schema.GroupVersion{Group: parts[1], Version: parts[2]})
	case parts[1] == "v2":
		h.serveOpenAPIV2(w, req, set)
	case len(parts) == 2:
		h.serveOpenAPIV3Index(w, req, set)
	default:
		h.serveOpenAPIV3(w, req, set, strings.Join(parts[2:], "/"))
	}
}

// setOf returns what the workspace of req serves; none when the request is
// about no workspace.
func (h *Handler) setOf(req *http.Request) (*catalog.Set, bool) {
	scope, ok := keyspace.ScopeFrom(req.Context())
	if !ok {
		return nil, false
	}
	if set, viewed := h.viewSet(req.Context()); viewed {
		return set, true
	}
	if scope.All() {
		return h.catalog.Served(logicalcluster.Wildcard), true
	}
	name, ok := scope.Workspace()
	if !ok {
		return nil, false
	}
	return h.catalog.Served(name), true
}

func (h *Handler) serveGroup(w http.ResponseWriter, req *http.Request, set *catalog.Set, group string) {
	handler, ok := h.documentsOf(set).byGroup[group]
	if !ok {
		http.NotFound(w, req)
		return
	}
	handler.ServeHTTP(w, req)
}

func (h *Handler) serveVersion(w http.ResponseWriter, req *http.Request, set *catalog.Set, gv schema.GroupVersion) {
	handler, ok := h.documentsOf(set).byVersion[gv]
	if !ok {
		http.NotFound(w, req)
		return
	}
	handler.ServeHTTP(w, req)
}

// documents are the answers for one Set.
type documents struct {
	etag      string
	core      apidiscoveryv2.APIGroupDiscoveryList
	groups    apidiscoveryv2.APIGroupDiscoveryList
	root      http.Handler
	byGroup   map[string]http.Handler
	byVersion map[schema.GroupVersion]http.Handler
}

// forDocuments returns a handler that finds the documents for the request.
func (h *Handler) forDocuments(serve func(*documents, http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		set, ok := h.setOf(req)
		if !ok {
			http.NotFound(w, req)
			return
		}
		serve(h.documentsOf(set), w, req)
	})
}

func (h *Handler) documentsOf(set *catalog.Set) *documents {
	if d, ok := h.documents.Get(set.Hash); ok {
		return d.(*documents)
	}
	d := h.newDocuments(set)
	h.documents.Add(set.Hash, d)
	return d
}

func (h *Handler) newDocuments(set *catalog.Set) *documents {
	d := &documents{
		etag:      h.stamp + set.Hash,
		byGroup:   map[string]http.Handler{},
		byVersion: map[schema.GroupVersion]http.Handler{},
	}
	var legacy []metav1.APIGroup
	for _, group := range compose(h.natives.Groups, set) {
		for _, v := range group.Versions {
			gv := schema.GroupVersion{Group: group.Name, Version: v.Version}
			resources := legacyResources(h.natives.Resources[gv], gv, v.Resources, set)
			d.byVersion[gv] = upstream.NewAPIVersionHandler(codecs, gv, upstream.APIResourceListerFunc(func() []metav1.APIResource { return resources }))
		}
		if group.Name == "" {
			d.core.Items = append(d.core.Items, group)
			continue
		}
		d.groups.Items = append(d.groups.Items, group)
		legacy = append(legacy, legacyGroup(&group))
		d.byGroup[group.Name] = upstream.NewAPIGroupHandler(codecs, legacy[len(legacy)-1])
	}
	d.root = serveGroups(legacy)
	return d
}

// serveGroups answers /apis in the old form.
func serveGroups(groups []metav1.APIGroup) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		root := upstream.NewRootAPIsHandler(upstream.DefaultAddresses{DefaultAddress: req.Host}, codecs)
		for _, group := range groups {
			root.AddGroup(group)
		}
		root.ServeHTTP(w, req)
	})
}

// serveCoreVersions answers /api in the old form.
func serveCoreVersions(w http.ResponseWriter, req *http.Request) {
	upstream.NewLegacyRootAPIHandler(upstream.DefaultAddresses{DefaultAddress: req.Host}, codecs, "/api").ServeHTTP(w, req)
}

// splitPath returns the segments of path; empty ones at the ends do not count.
func splitPath(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

var codecs = newCodecs()

// newCodecs returns codecs for the old forms.
func newCodecs() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	unversioned := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, unversioned)
	scheme.AddUnversionedTypes(unversioned, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return serializer.NewCodecFactory(scheme)
}
