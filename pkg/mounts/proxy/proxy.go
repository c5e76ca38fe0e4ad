package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/atriumhub/atrium/pkg/egress"
	"github.com/atriumhub/atrium/pkg/mounts/doors"
	"github.com/atriumhub/atrium/pkg/roster"
	"github.com/atriumhub/atrium/pkg/target"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config is what New needs.
type Config struct {
	// Door makes the connections to targets outside.
	Door *egress.Door
	// TLS holds the hub's certificate for targets outside, and whom to trust.
	TLS *tls.Config
	// Hub serves requests for targets that are of this hub. They come with the
	// path, and all headers, of a request that somebody sends to the hub.
	Hub http.Handler
	// LongRunning tells streams from requests that are soon answered.
	LongRunning request.LongRunningRequestCheck
	// Serializer writes refusals.
	Serializer runtime.NegotiatedSerializer
}

// Proxy serves mounts. Who keeps it up to date calls Open and Shut.
type Proxy struct {
	gates
	config    Config
	waiting   *roster.Limits[logicalcluster.Name]
	streaming *roster.Limits[logicalcluster.Name]
	ordinary  http.RoundTripper
	upgrading http.RoundTripper
}

// New returns a Proxy without mounts.
func New(config Config) *Proxy {
	// Connections that are upgraded belong to one stream: HTTP/1.1 only.
	upgrading := config.Door.Transport(config.TLS.Clone())
	upgrading.ForceAttemptHTTP2 = false
	upgrading.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	return &Proxy{
		config:    config,
		waiting:   roster.NewLimits[logicalcluster.Name](waitingPerWorkspace, waitingTogether),
		streaming: roster.NewLimits[logicalcluster.Name](streamingPerWorkspace, streamingTogether),
		ordinary:  config.Door.Transport(config.TLS.Clone()),
		upgrading: upgrading,
	}
}

// Wrap returns next with requests for mounts answered by their targets. It
// stands behind authorization.
func (p *Proxy) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, _ := target.From(req.Context())
		if t.View == nil || t.View.Kind != target.MountKind {
			next.ServeHTTP(w, req)
			return
		}
		if err := p.serve(w, req, t); err != nil {
			p.refuse(w, req, err)
		}
	})
}

// serve answers, unless it returns an error.
func (p *Proxy) serve(w http.ResponseWriter, req *http.Request, t target.Target) error {
	key := logicalcluster.Key{Workspace: t.Identity, Name: t.View.Target}
	address, during, done, open := p.through(req.Context(), key)
	defer done()
	if !open {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("workspace %q is a mount that leads nowhere now: the condition %s of the Workspace says why", t.Path, tenancyv1alpha1.MountConditionReady))
	}
	if dotted(req.URL.Path) {
		return apierrors.NewBadRequest("a path with the segments \".\" or \"..\" in it does not go through a mount: its target might read it as another one")
	}
	path, ok := address.For(t.View.Below, req.URL.Path)
	if !ok {
		return apierrors.NewGenericServerResponse(http.StatusNotFound, req.Method, schema.GroupResource{}, "", fmt.Sprintf("there are no workspaces below the mount that %q goes through", t.Path), 0, true)
	}
	limits := p.limits(req)
	if !limits.Enter(key.Workspace) {
		return apierrors.NewTooManyRequests("too many requests go through mounts, in this workspace or in all: ask again", 1)
	}
	defer limits.Leave(key.Workspace)
	req = req.WithContext(during)
	if address.Own {
		return p.ask(w, req, path)
	}
	return p.forward(w, req, address, path, key)
}

// dotted reports whether a path has segments that others leave out, together with
// those before: of an address below which a mount leads, nothing would be left.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func (p *Proxy) limits(req *http.Request) *roster.Limits[logicalcluster.Name] {
	if info, ok := request.RequestInfoFrom(req.Context()); ok && p.config.LongRunning(req, info) {
		return p.streaming
	}
	return p.waiting
}

// forward asks a target outside.
func (p *Proxy) forward(w http.ResponseWriter, req *http.Request, address doors.Address, path string, key logicalcluster.Key) error {
	caller, _ := request.UserFrom(req.Context())
	outside := &http.Request{Header: http.Header{}}
	if err := introduce(outside, caller, key.Workspace); err != nil {
		return apierrors.NewForbidden(tenancyv1alpha1.Resource("workspaces"), key.Name, err)
	}
	reverse := httputil.ReverseProxy{
		Transport:     p.transport(req),
		FlushInterval: -1, // watches and logs
		ErrorLog:      silent,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL = &url.URL{Scheme: "https", Host: address.Host, Path: path, RawQuery: req.URL.RawQuery}
			r.Out.Host = ""
			r.Out.Header = through(r.Out.Header)
			for name, values := range outside.Header {
				r.Out.Header[name] = values
			}
		},
		ModifyResponse: judge,
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			p.refuse(w, req, trouble(req.Context(), key, err))
		},
	}
	reverse.ServeHTTP(w, req)
	return nil
}

// silent is for what happens to streams: clients come and go.
var silent = log.New(io.Discard, "", 0)

func (p *Proxy) transport(req *http.Request) http.RoundTripper {
	if httpstream.IsUpgradeRequest(req) {
		return p.upgrading
	}
	return p.ordinary
}

// The answers of targets that do not come through.
var (
	errRedirected = errors.New("it redirects elsewhere, which the hub does not follow")
	errDistrusted = errors.New("it does not believe the hub who you are: start its API server with the hub's pki/front-proxy/ca.crt as --requestheader-client-ca-file")
)

// judge decides whether the answer of a target comes through.
func judge(response *http.Response) error {
	switch code := response.StatusCode; {
	case code >= 300 && code < 400 && code != http.StatusNotModified:
		return errRedirected
	case code == http.StatusUnauthorized:
		return errDistrusted
	}
	censor(response.Header)
	return nil
}

// trouble says why there is no answer. What exactly happened to a connection is
// for operators: whoever chose the address could look around in the hub's
// network by it.
func trouble(ctx context.Context, key logicalcluster.Key, err error) error {
	klog.FromContext(ctx).V(2).Info("The target of a mount failed", "mount", key, "err", err)
	what := "it does not answer"
	var refused *egress.RefusedError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errRedirected), errors.Is(err, errDistrusted):
		what = err.Error()
	case errors.As(err, &refused):
		// Without the address itself: names of the hub's network are not told.
		what = fmt.Sprintf("it has %s, which the hub does not call for a tenant; its operator can allow that with %s", refused.What, egress.Flag)
	case errors.As(err, &untrusted):
		what = fmt.Sprintf("its certificate is not trusted (%v): --mount-ca-file names further authorities", untrusted.Err)
	}
	status := apierrors.NewGenericServerResponse(http.StatusBadGateway, "", schema.GroupResource{}, "", "", 0, true)
	status.ErrStatus.Message = fmt.Sprintf("the target of mount %q cannot be asked: %s", key.Name, what)
	return status
}

func (p *Proxy) refuse(w http.ResponseWriter, req *http.Request, err error) {
	responsewriters.ErrorNegotiated(err, p.config.Serializer, schema.GroupVersion{}, w, req)
}
