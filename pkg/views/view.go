package views

import (
	"context"
	"errors"
	"strings"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/target"
)

// ErrMalformed is returned for a URL that cannot be one of a view. It says
// nothing about what exists.
var ErrMalformed = errors.New("malformed view URL")

// View is one kind of window.
type View interface {
	// Kind is the segment after /services/, and the Kind of target.View.
	Kind() string
	// Resolve reads a (percent-decoded) URL path that starts with
	// /services/<Kind>/. The returned path is the one that an ordinary cluster
	// would be asked for. It answers from memory, and without revealing what
	// exists: that is a question of Authorize.
	Resolve(ctx context.Context, path string) (target.Target, keyspace.Scope, string, error)
	// Authorizer decides who may look through the view, and what for. It has no
	// opinion on requests that did not come through it.
	authorizer.UnconditionalAuthorizer
	// Validate says why a write through the view is refused, or nothing.
	Validate(t target.Target, a admission.Attributes) error
}

// Admission limits what is changed through views.
type Admission struct {
	*admission.Handler
	views map[string]View
}

var _ admission.ValidationInterface = &Admission{}

// NewAdmission returns the plugin. It looks only at requests that came through
// one of the given views.
func NewAdmission(views ...View) *Admission {
	p := &Admission{
		Handler: admission.NewHandler(admission.Create, admission.Update, admission.Delete, admission.Connect),
		views:   map[string]View{},
	}
	for _, view := range views {
		p.views[view.Kind()] = view
	}
	return p
}

// Validate asks the view that the write came through.
func (p *Admission) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	t, ok := target.From(ctx)
	if !ok || t.View == nil {
		return nil
	}
	view, ok := p.views[t.View.Kind]
	if !ok {
		return admission.NewForbidden(a, errors.New("nobody judges what is written through this view"))
	}
	if err := view.Validate(t, a); err != nil {
		return admission.NewForbidden(a, err)
	}
	return nil
}

// isDiscovery finds the paths by which clients learn what is served.
func isDiscovery(path string) bool {
	for _, root := range []string{"/api", "/apis", "/version"} {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

// IsDescription finds the paths by which clients learn what is served, and how
// it looks.
func IsDescription(path string) bool {
	return isDiscovery(path) || path == "/openapi" || strings.HasPrefix(path, "/openapi/")
}

func verbOn(a authorizer.Attributes) string {
	if a.GetSubresource() == "" {
		return a.GetVerb()
	}
	return a.GetVerb() + " of subresource " + target.Shorten(a.GetSubresource())
}

func resourceOf(a authorizer.Attributes) string {
	return strings.TrimSuffix(a.GetResource()+"."+a.GetAPIGroup(), ".")
}
