// Package scheme has one runtime.Scheme with every kind the hub adds to
// Kubernetes, for clients and decoders.
package scheme

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	cachev1alpha1 "github.com/atriumhub/atrium/sdk/apis/cache/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

var (
	// Scheme knows the kinds of all packages below sdk/apis, and the meta kinds
	// (Status, the options) that every server answers with.
	Scheme = runtime.NewScheme()
	// Codecs encodes and decodes the kinds of Scheme.
	Codecs = serializer.NewCodecFactory(Scheme)
	// ParameterCodec turns list and other options into URL parameters.
	ParameterCodec = runtime.NewParameterCodec(Scheme)

	builder = runtime.NewSchemeBuilder(
		apisv1alpha1.AddToScheme,
		apisv1alpha2.AddToScheme,
		cachev1alpha1.AddToScheme,
		corev1alpha1.AddToScheme,
		publicationv1alpha1.AddToScheme,
		schedulingv1alpha1.AddToScheme,
		tenancyv1alpha1.AddToScheme,
		workloadv1alpha1.AddToScheme,
	)

	// AddToScheme registers all kinds in another scheme.
	AddToScheme = builder.AddToScheme
)

func init() {
	metav1.AddToGroupVersion(Scheme, schema.GroupVersion{Version: "v1"})
	utilruntime.Must(AddToScheme(Scheme))
}
