package nativeapis

import (
	"context"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	authenticationrest "k8s.io/kubernetes/pkg/registry/authentication/rest"
	"k8s.io/kubernetes/pkg/registry/authentication/tokenreview"
)

// reviewsProvider makes reviews of tokens take place in the workspace they were
// asked for in. Upstream makes up a request that belongs nowhere.
type reviewsProvider struct {
	authenticationrest.RESTStorageProvider
}

// NewRESTStorage builds the stores of authentication.k8s.io.
func (p reviewsProvider) NewRESTStorage(enabled serverstorage.APIResourceConfigSource, options generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error) {
	info, err := p.RESTStorageProvider.NewRESTStorage(enabled, options)
	if err != nil {
		return info, err
	}
	for _, stores := range info.VersionedResourcesStorageMap {
		if upstream, ok := stores["tokenreviews"].(*tokenreview.REST); ok {
			stores["tokenreviews"] = &tokenReviews{REST: upstream, authenticator: p.Authenticator, audiences: p.APIAudiences}
		}
	}
	return info, nil
}

// tokenReviews is upstream's, but for the context.
type tokenReviews struct {
	*tokenreview.REST
	authenticator authenticator.Request
	audiences     authenticator.Audiences
}

// Create reviews a token.
func (r *tokenReviews) Create(ctx context.Context, object runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	here := authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
		in := ctx
		if requested, ok := authenticator.AudiencesFrom(req.Context()); ok {
			in = authenticator.WithAudiences(ctx, requested)
		}
		return r.authenticator.AuthenticateRequest(req.WithContext(in))
	})
	return tokenreview.NewREST(here, r.audiences).Create(ctx, object, validate, options)
}
