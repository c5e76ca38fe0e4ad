package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	apiextensionsfeatures "k8s.io/apiextensions-apiserver/pkg/features"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	openapihandler "k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/catalog"
)

// lazy is a value that is made once, by whoever needs it first.
type lazy[T any] struct {
	once  sync.Once
	value T
	err   error
}

// cachedIn returns what make gives for key, making it at most once while it is
// kept. A failure is not kept.
func cachedIn[T any](h *Handler, cache *lru.Cache, key string, make func() (T, error)) (T, error) {
	h.mu.Lock()
	entry, ok := cache.Get(key)
	if !ok {
		entry = &lazy[T]{}
		cache.Add(key, entry)
	}
	h.mu.Unlock()
	l := entry.(*lazy[T])
	l.once.Do(func() { l.value, l.err = make() })
	if l.err != nil {
		cache.Remove(key)
	}
	return l.value, l.err
}

// serveOpenAPIV3Index answers /openapi/v3: the paths of the documents, each
// with the hash under which it never changes. The hashes are those of what
// documents are made of, so that none has to be made to answer.
func (h *Handler) serveOpenAPIV3Index(w http.ResponseWriter, req *http.Request, set *catalog.Set) {
	index := handler3.OpenAPIV3Discovery{Paths: map[string]handler3.OpenAPIV3DiscoveryGroupVersion{}}
	for path, hash := range h.openAPIV3Hashes(set) {
		location := url.URL{Path: "/openapi/v3/" + path, RawQuery: url.Values{"hash": {hash}}.Encode()}
		index.Paths[path] = handler3.OpenAPIV3DiscoveryGroupVersion{ServerRelativeURL: location.String()}
	}
	data, err := json.Marshal(index)
	if err != nil {
		http.Error(w, fmt.Sprintf("encode OpenAPI index: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Etag", strconv.Quote(h.stamp+set.Hash))
	w.Header().Set("Content-Type", "application/json")
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}

// serveOpenAPIV3 answers /openapi/v3/<path>.
func (h *Handler) serveOpenAPIV3(w http.ResponseWriter, req *http.Request, set *catalog.Set, path string) {
	hash, ok := h.openAPIV3Hashes(set)[path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	if asked := req.URL.Query().Get("hash"); asked != "" {
		if asked != hash {
			// Relative, because the workspace's prefix is not known here.
			w.Header().Set("Location", "?"+url.Values{"hash": {hash}}.Encode())
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Cache-Control", "public, immutable")
		w.Header().Set("Expires", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
	}
	doc, err := cachedIn(h, h.v3, hash, func() (*document, error) { return h.buildOpenAPIV3(set, path) })
	if err != nil {
		klog.ErrorS(err, "Making an OpenAPI v3 document failed", "path", path)
		http.Error(w, fmt.Sprintf("make OpenAPI document %s: %v", path, err), http.StatusInternalServerError)
		return
	}
	doc.serve(w, req, hash, "com.github.proto-openapi.spec.v3.v1.0+protobuf", "com.github.proto-openapi.spec.v3@v1.0+protobuf")
}

// openAPIV3Hashes returns the paths of the documents of set, with a hash over
// all that each is made of.
func (h *Handler) openAPIV3Hashes(set *catalog.Set) map[string]string {
	hashes := map[string]string{}
	visible := h.visibleVersions(set)
	defined := definitionsByPath(set)
	for path := range h.natives.OpenAPIV3 {
		if h.showsPath(path, visible) {
			hashes[path] = h.hashOf(path, visible[path], defined[path])
		}
	}
	for path, apis := range defined {
		hashes[path] = h.hashOf(path, visible[path], apis)
	}
	return hashes
}

// visibleVersions returns, by path, the compiled-in resources that set shows.
func (h *Handler) visibleVersions(set *catalog.Set) map[string][]string {
	visible := map[string][]string{}
	for _, group := range h.natives.Groups {
		for _, v := range group.Versions {
			for _, r := range v.Resources {
				if set.ShowsNative(schema.GroupResource{Group: group.Name, Resource: r.Resource}) {
					path := pathOf(schema.GroupVersion{Group: group.Name, Version: v.Version})
					visible[path] = append(visible[path], r.Resource)
				}
			}
		}
	}
	return visible
}

// showsPath reports whether a document is there at all: one of a group or a
// version needs a visible resource.
func (h *Handler) showsPath(path string, visible map[string][]string) bool {
	if _, ok := groupVersionOf(path); ok {
		return len(visible[path]) > 0
	}
	if group, ok := strings.CutPrefix(path, "apis/"); ok {
		return slices.ContainsFunc(slices.Collect(maps.Keys(visible)), func(p string) bool { return strings.HasPrefix(p, "apis/"+group+"/") })
	}
	return true
}

func (h *Handler) hashOf(path string, visible []string, defined []*catalog.API) string {
	hash := sha256.New()
	for _, part := range append([]string{h.stamp, path}, visible...) {
		_, _ = io.WriteString(hash, part+"\x00")
	}
	for _, api := range defined {
		_, _ = io.WriteString(hash, "\x00"+api.Shape)
	}
	return strings.ToUpper(hex.EncodeToString(hash.Sum(nil)))
}

// definitionsByPath returns the definitions of set by the path of each version
// they serve.
func definitionsByPath(set *catalog.Set) map[string][]*catalog.API {
	byPath := map[string][]*catalog.API{}
	for _, api := range set.All() {
		if api.CRD == nil {
			continue
		}
		for _, v := range api.Versions {
			path := pathOf(schema.GroupVersion{Group: api.Group, Version: v})
			byPath[path] = append(byPath[path], api)
		}
	}
	return byPath
}

func (h *Handler) buildOpenAPIV3(set *catalog.Set, path string) (*document, error) {
	merged, err := h.mergedOpenAPIV3(set, path)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(merged)
	if err != nil {
		return nil, fmt.Errorf("encode schemas: %w", err)
	}
	return newDocument(data, handler3.ToV3ProtoBinary)
}

func (h *Handler) mergedOpenAPIV3(set *catalog.Set, path string) (*spec3.OpenAPI, error) {
	var parts []*spec3.OpenAPI
	gv, _ := groupVersionOf(path)
	if build, ok := h.natives.OpenAPIV3[path]; ok {
		native, err := build()
		if err != nil {
			return nil, err
		}
		parts = append(parts, withoutV3(native, hides(set.ShowsNative)))
	}
	for _, api := range definitionsByPath(set)[path] {
		part, err := builder.BuildOpenAPIV3(api.CRD, gv.Version, builderOptions(false))
		if err != nil {
			return nil, fmt.Errorf("build schema of %s: %w", api.CRD.Name, err)
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	merged, err := builder.MergeSpecsV3(parts...)
	if err != nil {
		return nil, fmt.Errorf("merge schemas: %w", err)
	}
	return merged, nil
}

func builderOptions(v2 bool) builder.Options {
	return builder.Options{
		V2:                      v2,
		IncludeSelectableFields: utilfeature.DefaultFeatureGate.Enabled(apiextensionsfeatures.CustomResourceFieldSelectors),
	}
}

// serveOpenAPIV2 answers /openapi/v2.
func (h *Handler) serveOpenAPIV2(w http.ResponseWriter, req *http.Request, set *catalog.Set) {
	doc, err := cachedIn(h, h.v2, set.Hash, func() (*document, error) { return h.buildOpenAPIV2(set) })
	if err != nil {
		klog.ErrorS(err, "Making the OpenAPI v2 document failed")
		http.Error(w, fmt.Sprintf("make OpenAPI v2 document: %v", err), http.StatusInternalServerError)
		return
	}
	doc.serve(w, req, h.stamp+set.Hash, "com.github.proto-openapi.spec.v2.v1.0+protobuf", "com.github.proto-openapi.spec.v2@v1.0+protobuf")
}

func (h *Handler) buildOpenAPIV2(set *catalog.Set) (*document, error) {
	native, err := h.nativeV2()
	if err != nil {
		return nil, err
	}
	var parts []*spec.Swagger
	for _, api := range set.All() {
		if api.CRD == nil {
			continue
		}
		for _, v := range api.Versions {
			part, err := h.partV2(api, v)
			if err != nil {
				return nil, fmt.Errorf("build schema of %s: %w", api.CRD.Name, err)
			}
			parts = append(parts, part)
		}
	}
	merged, err := builder.MergeSpecs(withoutV2(native, hides(set.ShowsNative)), parts...)
	if err != nil {
		return nil, fmt.Errorf("merge schemas: %w", err)
	}
	data, err := merged.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode schemas: %w", err)
	}
	return newDocument(data, openapihandler.ToProtoBinary)
}

// partV2 returns what a version of a definition adds. It is shared and read-only.
func (h *Handler) partV2(api *catalog.API, version string) (*spec.Swagger, error) {
	build := func() (*spec.Swagger, error) {
		part, err := builder.BuildOpenAPIV2(api.CRD, version, builderOptions(true))
		if err != nil {
			return nil, err
		}
		part.Definitions = openapihandler.PruneDefaults(part.Definitions)
		return part, nil
	}
	if api.CRD.Size() > largestPart {
		return build()
	}
	return h.keptPart(api.Shape+"/"+version, build)
}

// nativeV2 returns the specification of all compiled-in APIs, shared and read-only.
func (h *Handler) nativeV2() (*spec.Swagger, error) {
	if h.natives.OpenAPIV2 == nil {
		return emptySwagger(), nil
	}
	return h.keptPart("", h.natives.OpenAPIV2)
}

// keptPart returns what make gives for key, for as long as parts are kept.
func (h *Handler) keptPart(key string, make func() (*spec.Swagger, error)) (*spec.Swagger, error) {
	h.forget.Reset(partsKept)
	return cachedIn(h, h.parts, key, make)
}

func emptySwagger() *spec.Swagger {
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger: "2.0", Info: &spec.Info{InfoProps: spec.InfoProps{Title: "Kubernetes", Version: "unversioned"}},
		Paths: &spec.Paths{Paths: map[string]spec.PathItem{}},
	}}
}
