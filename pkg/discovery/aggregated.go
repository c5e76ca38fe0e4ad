package discovery

import (
	"mime"
	"net/http"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apidiscoveryv2beta1 "k8s.io/api/apidiscovery/v2beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	apidiscoveryv2conversion "k8s.io/apiserver/pkg/apis/apidiscovery/v2"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/klog/v2"
)

// eitherForm answers in the form the client prefers: the old one, with a
// request for each group and version to follow, or the aggregated one.
func eitherForm(old, inOne http.Handler) http.Handler {
	wrapped := aggregated.WrapAggregatedDiscoveryToHandler(old, inOne, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if wantsBeta(req) {
			inOne.ServeHTTP(w, req)
			return
		}
		wrapped.ServeHTTP(w, req)
	})
}

// wantsBeta reports whether the client knows aggregated discovery only as
// v2beta1, as those of Kubernetes 1.26 to 1.29 do. Upstream servers no longer
// speak it; it costs nothing here and saves those clients dozens of requests.
func wantsBeta(req *http.Request) bool {
	for clause := range strings.SplitSeq(req.Header.Get("Accept"), ",") {
		mediaType, parameters, err := mime.ParseMediaType(clause)
		if err != nil || parameters["as"] != "APIGroupDiscoveryList" || parameters["g"] != apidiscoveryv2.GroupName {
			continue
		}
		return parameters["v"] == "v2beta1" && mediaType == runtime.ContentTypeJSON
	}
	return false
}

// writeAggregated writes list, or that the client knows it already.
func writeAggregated(w http.ResponseWriter, req *http.Request, list *apidiscoveryv2.APIGroupDiscoveryList, etag string) {
	if !wantsBeta(req) {
		aggregated.ServeHTTPWithETag(list, etag, apidiscoveryv2.SchemeGroupVersion, aggregatedCodecs, w, req)
		return
	}
	beta := &apidiscoveryv2beta1.APIGroupDiscoveryList{}
	if err := aggregatedScheme.Convert(list, beta, nil); err != nil {
		klog.ErrorS(err, "Converting discovery failed")
		http.Error(w, "convert discovery to v2beta1: "+err.Error(), http.StatusInternalServerError)
		return
	}
	beta.SetGroupVersionKind(apidiscoveryv2beta1.SchemeGroupVersion.WithKind("APIGroupDiscoveryList"))
	w.Header().Set("Vary", "Accept")
	responsewriters.WriteObjectNegotiated(aggregatedCodecs, jsonAs{}, apidiscoveryv2beta1.SchemeGroupVersion, w, req, http.StatusOK, beta, false)
}

// jsonAs lets every client have the object as it is, whatever it asked to have
// it converted to.
type jsonAs struct {
	negotiation.EndpointRestrictions
}

// AllowsMediaTypeTransform implements negotiation.EndpointRestrictions.
func (jsonAs) AllowsMediaTypeTransform(string, string, *schema.GroupVersionKind) bool { return true }

// AllowsServerVersion implements negotiation.EndpointRestrictions.
func (jsonAs) AllowsServerVersion(string) bool { return false }

// AllowsStreamSchema implements negotiation.EndpointRestrictions.
func (jsonAs) AllowsStreamSchema(string) bool { return false }

var (
	aggregatedScheme = newAggregatedScheme()
	aggregatedCodecs = serializer.NewCodecFactory(aggregatedScheme)
)

func newAggregatedScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(apidiscoveryv2.AddToScheme(scheme))
	utilruntime.Must(apidiscoveryv2beta1.AddToScheme(scheme))
	utilruntime.Must(apidiscoveryv2conversion.RegisterConversions(scheme))
	return scheme
}
