package v1alpha1

import (
	"bytes"
	"encoding/json"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// APIResourceSchema describes a resource that an APIExport of the same workspace
// can offer. It is called "<prefix>.<plural>.<group>", and never changes: another
// schema is another object.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.endsWith('.' + self.spec.names.plural + '.' + (size(self.spec.group) == 0 ? 'core' : self.spec.group))",message="the name has to be <prefix>.<spec.names.plural>.<spec.group>"
type APIResourceSchema struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              APIResourceSchemaSpec `json:"spec"`
}

// APIResourceSchemaSpec is a resource: its names, versions and how it is stored.
//
// +kubebuilder:validation:XValidation:rule="size(self.versions) == 1 || (size(self.versions) > 1 && has(self.conversion))",message="more than one version needs a conversion"
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an APIResourceSchema never changes: create another one, and name that in the APIExport"
type APIResourceSchemaSpec struct {
	// group of the resource. That of the core, which is empty, is for Kubernetes' own.
	Group string `json:"group"`

	// names of the resource and its kind.
	Names apiextensionsv1.CustomResourceDefinitionNames `json:"names"`

	// scope says whether the objects live in namespaces.
	// +kubebuilder:validation:Enum=Cluster;Namespaced
	Scope apiextensionsv1.ResourceScope `json:"scope"`

	// versions in which objects can be read and written.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	Versions []APIResourceVersion `json:"versions"`

	// nameValidation says what names the objects can have: DNS1123Subdomain is
	// lower-case letters, digits, "-" and ".", as for custom resources;
	// PathSegmentName is all but ".", "..", and what contains "/" or "%".
	// +optional
	// +kubebuilder:validation:Enum=DNS1123Subdomain;PathSegmentName
	// +kubebuilder:default=DNS1123Subdomain
	NameValidation string `json:"nameValidation,omitempty"`

	// conversion says how an object of one version becomes one of another. An
	// APIConversion of the same name, where there is one, is used instead.
	// +optional
	Conversion *CustomResourceConversion `json:"conversion,omitempty"`
}

// Values of nameValidation.
const (
	// DNS1123SubdomainNameValidation allows the names of custom resources.
	DNS1123SubdomainNameValidation = "DNS1123Subdomain"
	// PathSegmentNameValidation allows whatever can be part of a URL's path.
	PathSegmentNameValidation = "PathSegmentName"
)

// APIResourceVersion is one version of a resource.
type APIResourceVersion struct {
	// name, such as v1 or v2beta1.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^v[1-9][0-9]*([a-z]+[1-9][0-9]*)?$`
	Name string `json:"name"`

	// served says whether the version can be read and written.
	// +kubebuilder:default=true
	Served bool `json:"served"`

	// storage says whether objects are stored in this version. Exactly one is.
	Storage bool `json:"storage"`

	// deprecated adds a warning to the answers in this version.
	// +optional
	Deprecated bool `json:"deprecated,omitempty"`

	// deprecationWarning is the text of that warning.
	// +optional
	DeprecationWarning *string `json:"deprecationWarning,omitempty"`

	// schema is the structural OpenAPI v3 schema of the objects.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +structType=atomic
	Schema runtime.RawExtension `json:"schema"`

	// subresources of the objects.
	// +optional
	Subresources apiextensionsv1.CustomResourceSubresources `json:"subresources,omitempty"`

	// additionalPrinterColumns are what kubectl get shows.
	// +optional
	// +listType=map
	// +listMapKey=name
	AdditionalPrinterColumns []apiextensionsv1.CustomResourceColumnDefinition `json:"additionalPrinterColumns,omitempty"`

	// selectableFields are the fields that field selectors can name, at most 8.
	// +optional
	// +listType=atomic
	SelectableFields []apiextensionsv1.SelectableField `json:"selectableFields,omitempty"`
}

// GetSchema reads the schema of the version. It is nil when there is none.
func (v *APIResourceVersion) GetSchema() (*apiextensionsv1.JSONSchemaProps, error) {
	if len(v.Schema.Raw) == 0 || bytes.Equal(v.Schema.Raw, []byte("null")) {
		return nil, nil
	}
	props := &apiextensionsv1.JSONSchemaProps{}
	if err := json.Unmarshal(v.Schema.Raw, props); err != nil {
		return nil, fmt.Errorf("reading the schema of version %q: %w", v.Name, err)
	}
	return props, nil
}

// SetSchema writes the schema of the version; nil removes it.
func (v *APIResourceVersion) SetSchema(props *apiextensionsv1.JSONSchemaProps) error {
	v.Schema = runtime.RawExtension{}
	if props == nil {
		return nil
	}
	raw, err := json.Marshal(props)
	if err != nil {
		return fmt.Errorf("writing the schema of version %q: %w", v.Name, err)
	}
	v.Schema.Raw = raw
	return nil
}

// CustomResourceConversion says how versions turn into each other.
//
// +kubebuilder:validation:XValidation:rule="(self.strategy == 'None' && !has(self.webhook))  || (self.strategy == 'Webhook' && has(self.webhook))",message="strategy Webhook needs a webhook, and None has no use for one"
type CustomResourceConversion struct {
	// strategy None changes nothing but the apiVersion; Webhook asks a server.
	// +kubebuilder:validation:Enum=None;Webhook
	Strategy ConversionStrategyType `json:"strategy"`

	// webhook is the server to ask.
	// +optional
	Webhook *WebhookConversion `json:"webhook,omitempty"`
}

// ConversionStrategyType is a way to convert.
type ConversionStrategyType string

const (
	// ConversionStrategyNone changes nothing but the apiVersion.
	ConversionStrategyNone ConversionStrategyType = "None"
	// ConversionStrategyWebhook asks a server.
	ConversionStrategyWebhook ConversionStrategyType = "Webhook"
)

// WebhookConversion is a server that converts.
type WebhookConversion struct {
	// clientConfig says where the server is.
	// +optional
	ClientConfig *WebhookClientConfig `json:"clientConfig,omitempty"`

	// conversionReviewVersions are the versions of ConversionReview that the
	// server understands, the preferred one first.
	// +listType=atomic
	ConversionReviewVersions []string `json:"conversionReviewVersions"`
}

// WebhookClientConfig says where a server is. Services of a workspace run
// nothing, so it is always a URL.
type WebhookClientConfig struct {
	// url of the server: https, without user, query and fragment.
	// +kubebuilder:validation:Format=uri
	URL string `json:"url,omitempty"`

	// caBundle holds PEM certificates of the authorities that the server's
	// certificate may come from. When left out, those of the hub's machine.
	// +optional
	CABundle []byte `json:"caBundle,omitempty"`
}

// APIResourceSchemaList is a list of APIResourceSchemas.
//
// +kubebuilder:object:root=true
type APIResourceSchemaList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []APIResourceSchema `json:"items"`
}
