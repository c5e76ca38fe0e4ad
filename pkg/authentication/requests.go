package authentication

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/websocket"

	"github.com/atriumhub/atrium/pkg/identity/issuer"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Config is what New needs.
type Config struct {
	// Upstream authenticates those whom the operator of the hub knows, and
	// nobody as anonymous.
	Upstream authenticator.Request
	// Issuers and Accounts are the workspaces and their service accounts.
	Issuers  *Issuers
	Accounts authenticator.Token
	// Tenants returns what checks the tokens of an issuer that a workspace
	// accepts, and false when it does not accept it. It answers from memory.
	Tenants func(workspace logicalcluster.Name, issuerURL string) (authenticator.Token, bool)
}

// Requests authenticates requests.
type Requests struct{ config Config }

var _ authenticator.Request = &Requests{}

// New returns the authenticator of the hub.
func New(config Config) *Requests { return &Requests{config} }

// AuthenticateRequest finds out who sends a request. Errors are for the log; the
// client only learns that it is nobody.
func (r *Requests) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	claims, ok := claimsOf(req)
	if !ok {
		response, ok, err := r.config.Upstream.AuthenticateRequest(r.asked(req))
		if ok && err == nil {
			response = r.answered(req, response)
		}
		return response, ok, err
	}
	_, own := issuer.Workspace(r.config.Issuers.baseURL, claims.Issuer)
	var errs []error
	for _, next := range r.order(req, claims, own) {
		response, ok, err := next.AuthenticateRequest(r.asked(req))
		if ok && err == nil {
			return r.answered(req, response), true, nil
		}
		errs = append(errs, err)
	}
	return nil, false, errors.Join(errs...)
}

// order is who is asked about a JWT. A workspace knows its own tokens best, but
// a certificate has the first word, as upstream has it.
func (r *Requests) order(req *http.Request, claims issuer.Claims, own bool) []authenticator.Request {
	upstream, tenants := authenticator.RequestFunc(r.upstream), r.tenants(claims.Issuer)
	certified := req.TLS != nil && len(req.TLS.PeerCertificates) > 0
	switch {
	case !own:
		return []authenticator.Request{upstream, tenants}
	case certified:
		return []authenticator.Request{upstream, bearer(r.config.Accounts), tenants}
	default:
		return []authenticator.Request{bearer(r.config.Accounts), upstream, tenants}
	}
}

// tenants asks an issuer, if the workspace of the request accepts it. Which ones
// it does is found out only when nobody else has accepted the token.
func (r *Requests) tenants(issuerURL string) authenticator.RequestFunc {
	return func(req *http.Request) (*authenticator.Response, bool, error) {
		tenant, ok := r.config.Tenants(judging(req.Context()), issuerURL)
		if !ok {
			return nil, false, nil
		}
		return bearer(tenant).AuthenticateRequest(req)
	}
}

// upstream asks upstream about a request with a JWT, and keeps what its claims
// say in bounds (A2).
func (r *Requests) upstream(req *http.Request) (*authenticator.Response, bool, error) {
	response, ok, err := r.config.Upstream.AuthenticateRequest(req)
	if err != nil || !ok || byCertificate(response.User) {
		return response, ok, err
	}
	response.User, err = bounded(response.User)
	return response, err == nil, err
}

// bearer finds the token of a request for a token authenticator, as upstream
// does.
func bearer(token authenticator.Token) authenticator.Request {
	return group.NewAuthenticatedGroupAdder(union.New(bearertoken.New(token), websocket.NewProtocolAuthenticator(token)))
}

// claimsOf returns what a JWT in a request says about itself. A request can bring
// two tokens, in each place where upstream looks for one, and upstream accepts it
// for either: if one of them is a JWT, its claims have to be kept in bounds.
func claimsOf(req *http.Request) (issuer.Claims, bool) {
	var claims issuer.Claims
	found := false
	sniff := authenticator.TokenFunc(func(_ context.Context, token string) (*authenticator.Response, bool, error) {
		if peeked, ok := issuer.Peek(token); ok && !found {
			claims, found = peeked, true
		}
		return nil, false, nil
	})
	for _, place := range []authenticator.Request{bearertoken.New(sniff), websocket.NewProtocolAuthenticator(sniff)} {
		_, _, _ = place.AuthenticateRequest(req) // that it is nobody's token
	}
	return claims, found
}

// asked lets the name of a workspace stand for the hub where an audience is
// asked for: to its users the workspace is the API server.
func (r *Requests) asked(req *http.Request) *http.Request {
	requested, ok := authenticator.AudiencesFrom(req.Context())
	if !ok || requested.Has(r.config.Issuers.baseURL) || !requested.Has(r.config.Issuers.URL(judging(req.Context()))) {
		return req
	}
	both := append(slices.Clone(requested), r.config.Issuers.baseURL)
	return req.WithContext(authenticator.WithAudiences(req.Context(), both))
}

// answered is the other way round.
func (r *Requests) answered(req *http.Request, response *authenticator.Response) *authenticator.Response {
	requested, ok := authenticator.AudiencesFrom(req.Context())
	workspace := r.config.Issuers.URL(judging(req.Context()))
	if !ok || requested.Has(r.config.Issuers.baseURL) || !requested.Has(workspace) {
		return response
	}
	good := response.Audiences.Intersect(requested)
	if response.Audiences.Has(r.config.Issuers.baseURL) && !good.Has(workspace) {
		good = append(good, workspace)
	}
	return &authenticator.Response{User: response.User, Audiences: good}
}
