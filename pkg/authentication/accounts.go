package authentication

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/kubernetes/pkg/serviceaccount"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/identity/issuer"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// verifier makes an authenticator for the tokens of one issuer.
type verifier func(issuers []string, keys serviceaccount.PublicKeysGetter, implicit authenticator.Audiences) authenticator.Token

// Accounts authenticates the service accounts of all workspaces.
type Accounts struct {
	issuers *Issuers
	// bound are the tokens of TokenRequest, legacy those in Secrets.
	bound, legacy verifier
}

var _ authenticator.Token = &Accounts{}

// NewAccounts returns the authenticator. lookup finds what tokens speak of, in
// the workspace of the holder in its context.
func NewAccounts(issuers *Issuers, lookup serviceaccount.ServiceAccountTokenGetter) (*Accounts, error) {
	current := serviceaccount.NewValidator(lookup)
	old, err := serviceaccount.NewLegacyValidator(true, lookup, untracked{})
	if err != nil {
		return nil, fmt.Errorf("failed to make the validator of token secrets: %w", err)
	}
	return &Accounts{
		issuers: issuers,
		bound: func(issuers []string, keys serviceaccount.PublicKeysGetter, implicit authenticator.Audiences) authenticator.Token {
			return serviceaccount.JWTTokenAuthenticator(issuers, keys, implicit, current)
		},
		legacy: func(issuers []string, keys serviceaccount.PublicKeysGetter, implicit authenticator.Audiences) authenticator.Token {
			return serviceaccount.JWTTokenAuthenticator(issuers, keys, implicit, old)
		},
	}, nil
}

// AuthenticateToken accepts the tokens of a workspace's service accounts. Who
// they are depends on the workspace that judges the request.
func (a *Accounts) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	claims, ok := issuer.Peek(token)
	if !ok {
		return nil, false, nil
	}
	home, ok := issuer.Workspace(a.issuers.baseURL, claims.Issuer)
	if !ok {
		return nil, false, nil
	}
	verify := a.bound
	if claims.LegacySecret != nil {
		verify = a.legacy
	}
	judge := judging(ctx)
	auds := audiences{hub: a.issuers.baseURL, home: a.issuers.URL(home), judge: a.issuers.URL(judge)}
	inner := verify([]string{claims.Issuer}, workspaceKeys{a.issuers.keys.Load(), home}, authenticator.Audiences{auds.hub})
	requested := auds.requested(ctx)
	response, ok, err := inner.AuthenticateToken(authenticator.WithAudiences(withHolder(ctx, holder{home, claims.AccountUID()}), auds.accepted(requested)), token)
	if err != nil || !ok {
		return nil, false, fmt.Errorf("the token of a service account of workspace %s is not good: %w", home, err)
	}
	return &authenticator.Response{User: knownAs(response.User, home, judge), Audiences: auds.answered(requested, response.Audiences)}, true, nil
}

// knownAs returns who a service account is to the workspace that judges. At home
// it is who Kubernetes says.
func knownAs(info user.Info, home, judge logicalcluster.Name) user.Info {
	at := identity.In(identity.From(info, home), judge)
	return &user.DefaultInfo{Name: at.GetName(), UID: info.GetUID(), Groups: at.GetGroups(), Extra: at.GetExtra()}
}

// audiences are the names by which the hub's API is meant: that of the hub, that
// of the workspace a token is from, and that of the workspace it is shown to.
type audiences struct{ hub, home, judge string }

// requested is whom the token has to be for.
func (a audiences) requested(ctx context.Context) authenticator.Audiences {
	if requested, ok := authenticator.AudiencesFrom(ctx); ok {
		return requested
	}
	return authenticator.Audiences{a.hub}
}

// api tells whether the API of the hub is one of those asked for.
func (a audiences) api(requested authenticator.Audiences) bool {
	return requested.Has(a.hub) || requested.Has(a.judge)
}

// accepted is what a token may name to be for one of those requested.
func (a audiences) accepted(requested authenticator.Audiences) authenticator.Audiences {
	if !a.api(requested) {
		return requested
	}
	return append(slices.Clone(requested), a.hub, a.home, a.judge)
}

// answered is what a token is good for, in the words of the one who asked.
func (a audiences) answered(requested, matched authenticator.Audiences) authenticator.Audiences {
	if !a.api(requested) {
		return matched
	}
	answer := matched.Intersect(requested)
	for _, own := range []string{a.hub, a.judge} {
		if requested.Has(own) && !answer.Has(own) && len(matched.Intersect(authenticator.Audiences{a.hub, a.home, a.judge})) > 0 {
			answer = append(answer, own)
		}
	}
	return answer
}

// judging is the workspace whose rules apply, or none.
func judging(ctx context.Context) logicalcluster.Name {
	t, _ := target.From(ctx)
	return t.Identity
}

// holder is whom the token being checked says it is of: the workspace it is from,
// and the UID of the account. When lookups are asked, its signature was found good.
type holder struct {
	home logicalcluster.Name
	uid  types.UID
}

type holderKey struct{}

func withHolder(ctx context.Context, h holder) context.Context {
	return context.WithValue(ctx, holderKey{}, h)
}

func holderOf(ctx context.Context) holder {
	h, _ := ctx.Value(holderKey{}).(holder)
	return h
}

// untracked takes upstream's notes of when a token was last used, and drops
// them: a write for each reader is more than knowing it is worth.
type untracked struct{}

// Secrets returns an untracked.
func (untracked) Secrets(string) typedcorev1.SecretInterface { return untrackedSecrets{} }

type untrackedSecrets struct{ typedcorev1.SecretInterface }

// Patch drops the note.
func (untrackedSecrets) Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (*corev1.Secret, error) {
	return nil, nil
}
