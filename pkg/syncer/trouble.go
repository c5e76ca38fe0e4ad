package syncer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// trouble is what is wrong with a connection.
type trouble struct {
	// kind is a word for logs, and what tells a new trouble from an old one.
	kind string
	// message says what is wrong and what to do.
	message string
}

// side is one end of the agent, for messages.
type side struct {
	name string // "hub" or "child"
	host string
	// other is what credentials may be for instead.
	other string
	// renew says how to get fresh credentials.
	renew string
}

// diagnose tells apart what can be wrong with a connection.
func (s side) diagnose(err error) trouble {
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &hostname):
		return trouble{"wrong-name", fmt.Sprintf("the certificate of the %s is not for the address %s: %v; use an address that it names", s.name, s.host, hostname)}
	case errors.As(err, &authority), errors.As(err, &certificate):
		return trouble{"wrong-ca", fmt.Sprintf("the certificate of the %s at %s was not signed by the CA in the %s kubeconfig: this is another server, or it was set up anew; %s", s.name, s.host, s.name, s.renew)}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return trouble{"no-tls", fmt.Sprintf("what listens at %s does not speak TLS, so it is not the %s; check the address in the %s kubeconfig", s.host, s.name, s.name)}
	case errors.As(err, &dns):
		return trouble{"unknown-host", fmt.Sprintf("the name of the %s address %s cannot be resolved: %v; check the address in the %s kubeconfig", s.name, s.host, dns, s.name)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return trouble{"refused", fmt.Sprintf("nothing listens at the %s address %s: either it is down, or the address is wrong", s.name, s.host)}
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return trouble{"timeout", fmt.Sprintf("the %s at %s does not answer in time: it is overloaded, or the network in between is cut", s.name, s.host)}
	case apierrors.IsUnauthorized(err):
		return trouble{"unauthorized", fmt.Sprintf("the %s at %s does not accept the credentials in the %s kubeconfig: they are expired, were revoked, or belong to %s; %s", s.name, s.host, s.name, s.other, s.renew)}
	default:
		return trouble{"cut", fmt.Sprintf("the connection to the %s at %s failed: %v", s.name, s.host, err)}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// unauthorized is what a 401 answer amounts to.
func unauthorized() error { return apierrors.NewUnauthorized(http.StatusText(http.StatusUnauthorized)) }
