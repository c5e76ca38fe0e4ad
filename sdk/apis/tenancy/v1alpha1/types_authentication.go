package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkspaceAuthenticationConfiguration names issuers of JWTs that WorkspaceTypes
// of the same workspace can refer to: their tokens are good in the workspaces of
// these types, and nowhere else. The fields are those of Kubernetes'
// AuthenticationConfiguration (apiserver.config.k8s.io).
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=kcp
type WorkspaceAuthenticationConfiguration struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec WorkspaceAuthenticationConfigurationSpec `json:"spec,omitempty"`
}

// WorkspaceAuthenticationConfigurationSpec lists issuers.
type WorkspaceAuthenticationConfigurationSpec struct {
	// jwt are the issuers whose tokens are accepted.
	JWT []JWTAuthenticator `json:"jwt"`
}

// JWTAuthenticator says how the tokens of one issuer are checked, and who their
// bearers are.
type JWTAuthenticator struct {
	// issuer of the tokens.
	Issuer Issuer `json:"issuer"`

	// claimValidationRules have to hold for the claims of a token.
	// +optional
	ClaimValidationRules []ClaimValidationRule `json:"claimValidationRules,omitempty"`

	// claimMappings make a user of claims.
	ClaimMappings ClaimMappings `json:"claimMappings"`

	// userValidationRules have to hold for the user that was made.
	// +optional
	UserValidationRules []UserValidationRule `json:"userValidationRules,omitempty"`
}

// Issuer of tokens.
type Issuer struct {
	// url that the claim "iss" has to equal. It begins with https://.
	URL string `json:"url"`

	// discoveryURL is where the issuer's configuration is read from, when that is
	// not "<url>/.well-known/openid-configuration".
	// +optional
	DiscoveryURL string `json:"discoveryURL,omitempty"`

	// certificateAuthority, in PEM, is what the issuer is trusted by. When left
	// out it is what the hub's machine trusts.
	// +optional
	CertificateAuthority string `json:"certificateAuthority,omitempty"`

	// audiences of which a token has to name one in its claim "aud".
	// +optional
	Audiences []string `json:"audiences,omitempty"`

	// audienceMatchPolicy says how audiences are compared. With more than one
	// audience it has to be MatchAny.
	// +optional
	AudienceMatchPolicy AudienceMatchPolicyType `json:"audienceMatchPolicy,omitempty"`
}

// AudienceMatchPolicyType says how audiences are compared.
type AudienceMatchPolicyType string

// AudienceMatchPolicyMatchAny accepts a token that names one of the audiences.
const AudienceMatchPolicyMatchAny AudienceMatchPolicyType = "MatchAny"

// ClaimValidationRule is either a claim with a required value, or a CEL
// expression over all claims with a message for when it is false.
//
// +kubebuilder:validation:XValidation:rule="has(self.claim) || has(self.expression)",message="claim or expression is required"
// +kubebuilder:validation:XValidation:rule="!(has(self.claim) && has(self.expression))",message="claim and expression exclude each other"
// +kubebuilder:validation:XValidation:rule="(has(self.expression) && !has(self.requiredValue)) || (has(self.claim) && has(self.requiredValue))",message="requiredValue goes with claim, and claim with requiredValue"
// +kubebuilder:validation:XValidation:rule="(has(self.expression) && has(self.message)) || (has(self.claim) && !has(self.message))",message="message goes with expression, and expression with message"
type ClaimValidationRule struct {
	// claim is the name of a claim.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Claim string `json:"claim,omitempty"`

	// requiredValue is what the claim has to be.
	// +optional
	// +kubebuilder:validation:MinLength=1
	RequiredValue string `json:"requiredValue,omitempty"`

	// expression in CEL that has to be true. "claims" are the claims.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Expression string `json:"expression,omitempty"`

	// message for when the expression is false.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Message string `json:"message,omitempty"`
}

// ClaimMappings make a user of claims.
type ClaimMappings struct {
	// username of the user.
	Username PrefixedClaimOrExpression `json:"username"`

	// groups of the user.
	// +optional
	Groups PrefixedClaimOrExpression `json:"groups,omitzero"`

	// uid of the user.
	// +optional
	UID ClaimOrExpression `json:"uid,omitzero"`

	// extra of the user.
	// +optional
	Extra []ExtraMapping `json:"extra,omitempty"`
}

// PrefixedClaimOrExpression is a claim with a prefix, or a CEL expression.
//
// +kubebuilder:validation:XValidation:rule="has(self.claim) || has(self.expression)",message="claim or expression is required"
// +kubebuilder:validation:XValidation:rule="!(has(self.claim) && has(self.expression))",message="claim and expression exclude each other"
// +kubebuilder:validation:XValidation:rule="!(has(self.prefix)) || has(self.claim)",message="prefix goes with claim"
type PrefixedClaimOrExpression struct {
	// claim is the name of a claim.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Claim string `json:"claim,omitempty"`

	// prefix is put before the value of the claim. It has to be there together
	// with the claim, and may be empty.
	// +optional
	Prefix *string `json:"prefix,omitempty"`

	// expression in CEL over "claims".
	// +optional
	// +kubebuilder:validation:MinLength=1
	Expression string `json:"expression,omitempty"`
}

// ClaimOrExpression is a claim, or a CEL expression.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.claim) && has(self.expression))",message="claim and expression exclude each other"
type ClaimOrExpression struct {
	// claim is the name of a claim.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Claim string `json:"claim,omitempty"`

	// expression in CEL over "claims".
	// +optional
	// +kubebuilder:validation:MinLength=1
	Expression string `json:"expression,omitempty"`
}

// ExtraMapping makes one extra attribute of the user.
type ExtraMapping struct {
	// key of the attribute: a lower-case domain and path, as in "example.org/team".
	Key string `json:"key"`

	// valueExpression in CEL over "claims": a string, or a list of strings.
	ValueExpression string `json:"valueExpression"`
}

// UserValidationRule is a CEL expression over the user, and a message for when
// it is false.
type UserValidationRule struct {
	// expression in CEL that has to be true. "user" is the user.
	Expression string `json:"expression"`

	// message for when the expression is false.
	Message string `json:"message"`
}

// WorkspaceAuthenticationConfigurationList is a list of
// WorkspaceAuthenticationConfigurations.
//
// +kubebuilder:object:root=true
type WorkspaceAuthenticationConfigurationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []WorkspaceAuthenticationConfiguration `json:"items"`
}
