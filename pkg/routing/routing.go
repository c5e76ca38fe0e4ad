package routing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	clustersPrefix = "/clusters/"
	servicesPrefix = "/services/"
)

// ErrMalformed is returned for a URL that can never name a workspace. It says
// nothing about which workspaces exist.
var ErrMalformed = errors.New("malformed workspace path")

// ErrNotFound is returned for a URL that the hub has no meaning for.
var ErrNotFound = errors.New("not found")

// Resolve turns a path into the name of a workspace. It answers from memory.
type Resolve func(logicalcluster.Path) (logicalcluster.Name, bool)

// View reads the URLs below /services/<its name>/. The path it is given starts
// with that prefix. An error that wraps ErrMalformed or ErrNotFound decides the
// status code, any other error is a not found as well.
type View func(ctx context.Context, path string) (target.Target, keyspace.Scope, string, error)

// Config is what New needs.
type Config struct {
	// Resolve finds workspaces.
	Resolve Resolve
	// Mount finds the mount that a path which names no workspace leads to or
	// through: the workspace it lies in, its name, and what follows. Nil means
	// that there are none.
	Mount func(logicalcluster.Path) (in logicalcluster.Name, name string, below logicalcluster.Path, ok bool)
	// Views are keyed by the segment after /services/.
	Views map[string]View
	// Serializer writes refusals.
	Serializer runtime.NegotiatedSerializer
}

// Router routes requests.
type Router struct{ config Config }

// New returns a Router.
func New(config Config) *Router { return &Router{config: config} }

// Wrap returns next behind the router.
func (r *Router) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, scope, path, err := r.Route(req.Context(), req.URL.Path)
		if err != nil {
			r.refuse(w, req, err)
			return
		}
		ctx := keyspace.WithScope(target.With(req.Context(), t), scope)
		next.ServeHTTP(w, withPath(req.WithContext(ctx), path))
	})
}

// Route decides what the (already percent-decoded) URL path is about. The
// returned path is the one that an ordinary cluster would be asked for.
func (r *Router) Route(ctx context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	switch {
	case strings.HasPrefix(path, clustersPrefix):
		return r.routeCluster(path[len(clustersPrefix):])
	case strings.HasPrefix(path, servicesPrefix):
		return r.routeView(ctx, path)
	default:
		t := target.Target{Path: logicalcluster.SystemAdmin.Path(), Identity: logicalcluster.SystemAdmin}
		return t, keyspace.In(logicalcluster.SystemAdmin), path, nil
	}
}

func (r *Router) routeCluster(rest string) (target.Target, keyspace.Scope, string, error) {
	segment, inner := cut(rest)
	if inner == "/clusters" || strings.HasPrefix(inner, clustersPrefix) {
		return target.Target{}, keyspace.Scope{}, "", fmt.Errorf("%w: /clusters/ can stand only once in a URL", ErrNotFound)
	}
	if segment == logicalcluster.Wildcard.String() {
		return target.Target{Path: logicalcluster.Path(segment)}, keyspace.Everywhere(), inner, nil
	}
	path := logicalcluster.Path(segment)
	if name, single := path.Name(); !path.IsValid() && !(single && name.IsValid()) {
		return target.Target{}, keyspace.Scope{}, "", malformed(segment)
	}
	t := target.Target{Path: path}
	name, found := r.config.Resolve(path)
	if !found {
		return r.mounted(t), keyspace.Nowhere(), inner, nil
	}
	t.Identity = name
	return t, keyspace.In(name), inner, nil
}

// mounted returns t for a mount, if that is what it names: the workspace that the
// mount lies in judges the caller.
func (r *Router) mounted(t target.Target) target.Target {
	if r.config.Mount == nil {
		return t
	}
	if in, name, below, ok := r.config.Mount(t.Path); ok {
		t.Identity, t.View = in, &target.View{Kind: target.MountKind, Target: name, Below: below}
	}
	return t
}

func (r *Router) routeView(ctx context.Context, path string) (target.Target, keyspace.Scope, string, error) {
	kind, _ := cut(path[len(servicesPrefix):])
	view, ok := r.config.Views[kind]
	if !ok {
		return target.Target{}, keyspace.Scope{}, "", fmt.Errorf("%w: the hub has no service %q", ErrNotFound, target.Shorten(kind))
	}
	return view(ctx, path)
}

// cut splits "a/b/c" into "a" and "/b/c". The second is "/" when there is none.
func cut(s string) (segment, rest string) {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i], s[i:]
	}
	return s, "/"
}

func malformed(segment string) error {
	return fmt.Errorf("%w %q: write lower-case names joined by colons, as in root:org:team", ErrMalformed, target.Shorten(segment))
}

// withPath gives a request that nobody else holds another path.
func withPath(req *http.Request, path string) *http.Request {
	u := new(url.URL)
	*u = *req.URL
	u.Path, u.RawPath = path, ""
	req.URL = u
	req.RequestURI = u.RequestURI()
	return req
}

func (r *Router) refuse(w http.ResponseWriter, req *http.Request, err error) {
	status := apierrors.NewGenericServerResponse(http.StatusNotFound, req.Method, schema.GroupResource{}, "", err.Error(), 0, true)
	if errors.Is(err, ErrMalformed) {
		status = apierrors.NewBadRequest(err.Error())
	} else {
		status.ErrStatus.Message = err.Error()
	}
	responsewriters.ErrorNegotiated(status, r.config.Serializer, schema.GroupVersion{}, w, req)
}
