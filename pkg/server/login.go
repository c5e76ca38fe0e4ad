package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/cert"

	"github.com/atriumhub/atrium/internal/pki"
)

// addLoginFlags adds those of Kubernetes' authentication flags that a hub has.
func (o *Options) addLoginFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.ClientCAFile, "client-ca-file", o.ClientCAFile, "Certificate authorities, in PEM, whose client certificates are good everywhere in the hub, besides those that the hub has signed itself. The common name is the user, organizations are groups.")
	upstream := pflag.NewFlagSet("login", pflag.ContinueOnError)
	o.Login.AddFlags(upstream)
	upstream.VisitAll(func(flag *pflag.Flag) {
		if strings.HasPrefix(flag.Name, "oidc-") {
			flags.AddFlag(flag)
		}
	})
	flags.StringVar(&o.Login.AuthenticationConfigFile, "authentication-config", o.Login.AuthenticationConfigFile, "File with an AuthenticationConfiguration (apiserver.config.k8s.io) that names the issuers of JWTs that are good everywhere in the hub. It is read again when it changes. Not together with --oidc-* flags.")
}

// validateLogin reads the files that the options name, so that what is wrong
// with them is said before anything is started.
func (o *Options) validateLogin() error {
	if err := errors.Join(o.Login.Validate()...); err != nil {
		return err
	}
	if _, err := o.Login.ToAuthenticationConfig(); err != nil {
		if o.Login.AuthenticationConfigFile != "" {
			return fmt.Errorf("--authentication-config %s: %w", o.Login.AuthenticationConfigFile, err)
		}
		return fmt.Errorf("--oidc-*: %w", err)
	}
	if o.TokenAuthFile != "" {
		if _, err := tokenfile.NewCSV(o.TokenAuthFile); err != nil {
			return fmt.Errorf("--token-auth-file: %w", err)
		}
	}
	if o.ClientCAFile == "" {
		return nil
	}
	if _, err := cert.CertsFromFile(o.ClientCAFile); err != nil {
		return fmt.Errorf("--client-ca-file: %w", err)
	}
	return nil
}

// clientAuthorities are whose certificates clients can log in with. The files
// are read again when they change.
func clientAuthorities(o *Options, authority *pki.Authority) (dynamiccertificates.CAContentProvider, error) {
	own, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca-bundle", authority.CertFile())
	if err != nil {
		return nil, fmt.Errorf("failed to read the certificate authority: %w", err)
	}
	if o.ClientCAFile == "" {
		return own, nil
	}
	operators, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca-file", o.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("failed to read --client-ca-file: %w", err)
	}
	return dynamiccertificates.NewUnionCAContentProvider(own, operators), nil
}
