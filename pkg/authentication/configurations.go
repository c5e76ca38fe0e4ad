package authentication

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	basemetrics "k8s.io/component-base/metrics"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

// What a configuration of a tenant may have. Each expression is evaluated for
// each login, within Kubernetes' bound on the cost of one.
const (
	maxIssuers     = 16
	maxExpressions = 64
)

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	install.Install(s)
	return s
}()

// toInternal converts what tenants write to what upstream reads. The fields are
// the same.
func toInternal(jwt []tenancyv1alpha1.JWTAuthenticator) (*apiserver.AuthenticationConfiguration, error) {
	content, err := json.Marshal(map[string]any{"jwt": jwt})
	if err != nil {
		return nil, err
	}
	var versioned apiserverv1.AuthenticationConfiguration
	if err := json.Unmarshal(content, &versioned); err != nil {
		return nil, fmt.Errorf("spec.jwt cannot be read: %w", err)
	}
	internal := &apiserver.AuthenticationConfiguration{}
	return internal, scheme.Convert(&versioned, internal, nil)
}

var validationCompiler = sync.OnceValue(authenticationcel.NewDefaultCompiler)

// Validate returns what is wrong with the issuers of a tenant's configuration,
// with the paths of the fields.
func Validate(spec tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec) field.ErrorList {
	path := field.NewPath("spec", "jwt")
	if len(spec.JWT) > maxIssuers {
		return field.ErrorList{field.TooMany(path, len(spec.JWT), maxIssuers)}
	}
	if n := expressions(spec); n > maxExpressions {
		return field.ErrorList{field.Forbidden(path, fmt.Sprintf("has %d rules and expressions, at most %d are evaluated", n, maxExpressions))}
	}
	internal, err := toInternal(spec.JWT)
	if err != nil {
		return field.ErrorList{field.Invalid(path, "", err.Error())}
	}
	errs := validation.ValidateAuthenticationConfiguration(validationCompiler(), internal, nil)
	for _, err := range errs {
		err.Field = "spec." + err.Field
	}
	for i, jwt := range spec.JWT {
		errs = append(errs, validateAuthority(jwt.Issuer.CertificateAuthority, path.Index(i).Child("issuer", "certificateAuthority"))...)
	}
	return errs
}

func validateAuthority(encoded string, path *field.Path) field.ErrorList {
	if strings.TrimSpace(encoded) == "" {
		return nil
	}
	if _, err := authorities(encoded); err != nil {
		return field.ErrorList{field.Invalid(path, "<omitted>", "holds no certificate in PEM")}
	}
	return nil
}

func expressions(spec tenancyv1alpha1.WorkspaceAuthenticationConfigurationSpec) int {
	n := 0
	for _, jwt := range spec.JWT {
		n += len(jwt.ClaimValidationRules) + len(jwt.UserValidationRules) + len(jwt.ClaimMappings.Extra)
	}
	return n
}

// LimitMetrics makes all issuers share the series of upstream's metrics that
// have one for each: tenants name as many as they like. Call it once, before the
// first login.
func LimitMetrics() {
	basemetrics.SetLabelAllowList(map[string]string{"apiserver_authentication_jwt_authenticator_latency_seconds,jwt_issuer_hash": "none"})
}
