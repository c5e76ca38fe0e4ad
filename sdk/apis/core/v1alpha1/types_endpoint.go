package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Endpoint is the address of a view over many workspaces.
type Endpoint struct {
	// url of the view.
	// +kubebuilder:validation:MinLength=1
	URL string `json:"url"`

	// shards whose workspaces are found there. When left out, those of the shard
	// that the address is of.
	// +optional
	Shards *EndpointShards `json:"shards,omitempty"`
}

// EndpointShards chooses shards: all, or those with labels.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.matchAll) && self.matchAll && has(self.selector))",message="matchAll and selector exclude each other"
type EndpointShards struct {
	// matchAll chooses all shards.
	// +optional
	MatchAll bool `json:"matchAll,omitempty"`

	// selector chooses the shards with these labels.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}
