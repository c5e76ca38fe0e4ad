package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Explain adds what to do to errors of the connection and of the login. base is
// the address of the hub.
func Explain(err error, base string) error {
	var unreachable *url.Error
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the hub at %s does not accept your credentials (%w): check the user of the current context with 'kubectl config view --minify', or use --user or --token", base, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &untrusted):
		return fmt.Errorf("the certificate of the hub at %s is not one that your kubeconfig trusts (%w): if the hub was set up anew, take its new kubeconfig or name its new --certificate-authority; if not, this is another server", base, untrusted.Err)
	case errors.As(err, &unreachable):
		return fmt.Errorf("cannot reach the hub at %s (%w): check that it runs and that the address is right", base, unreachable.Err)
	}
	return err
}
