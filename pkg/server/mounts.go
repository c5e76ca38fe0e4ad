package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/util/cert"

	"github.com/atriumhub/atrium/internal/pki"
	"github.com/atriumhub/atrium/pkg/access"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/mounts"
	mountproxy "github.com/atriumhub/atrium/pkg/mounts/proxy"
	"github.com/atriumhub/atrium/pkg/target"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// frontProxyUser is the name in the certificate that the targets of mounts know
// the hub by. It is the one that clusters made by kubeadm allow besides trusting
// an authority (--requestheader-allowed-names).
const frontProxyUser = "front-proxy-client"

// buildMounts makes what requests for mounts go through.
func (h *Hub) buildMounts(generic *genericapiserver.Config) error {
	identity, err := mountTLS(h.options.file("pki", "front-proxy"), h.authority.PEM(), h.options.MountCAFile)
	if err != nil {
		return err
	}
	h.mounts = mountproxy.New(mountproxy.Config{
		Door: h.egress, TLS: identity,
		Hub:         http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h.server.Handler.ServeHTTP(w, req) }),
		LongRunning: generic.LongRunningFunc,
		Serializer:  generic.Serializer,
	})
	return nil
}

// mountTLS returns the hub's identity to the targets of mounts, and whom it
// takes for them: what the machine trusts, what the hub's own authority signed,
// and what the operator named. The identity comes from an authority of its own:
// whoever trusts it believes all that the hub says about users.
func mountTLS(dir string, own []byte, file string) (*tls.Config, error) {
	authority, err := pki.Open(dir, time.Now())
	if err != nil {
		return nil, fmt.Errorf("failed to open the authority for mounts: %w", err)
	}
	pair, err := authority.Client("client", frontProxyUser)
	if err != nil {
		return nil, fmt.Errorf("failed to make the certificate for mounts: %w", err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("failed to read the certificate for mounts: %w", err)
	}
	trusted, err := x509.SystemCertPool()
	if err != nil {
		trusted = x509.NewCertPool()
	}
	trusted.AppendCertsFromPEM(own)
	if file != "" {
		further, err := cert.CertsFromFile(file)
		if err != nil {
			return nil, fmt.Errorf("--mount-ca-file: %w", err)
		}
		for _, certificate := range further {
			trusted.AddCert(certificate)
		}
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: trusted, MinVersion: tls.VersionTLS12}, nil
}

// authorizeMount lets those through who may enter the workspace that holds the
// mount and read the Workspace there. Others are told what they would be told
// of a workspace that does not exist. Whoever acts as somebody else, or is known to
// some workspaces only, is nobody where the mount leads.
func (h *Hub) authorizeMount(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	t, _ := target.From(ctx)
	if !h.maySeeMount(ctx, t, a) {
		return authorizer.DecisionDeny, access.NoEntry(t.Path), nil
	}
	if identity.IsScoped(a.GetUser()) || a.IsResourceRequest() && a.GetVerb() == "impersonate" {
		return authorizer.DecisionDeny, "nobody can be impersonated through a mount, nor is somebody known there whom only some workspaces know: ask in your own name", nil
	}
	return authorizer.DecisionAllow, "", nil
}

func (h *Hub) maySeeMount(ctx context.Context, t target.Target, a authorizer.Attributes) bool {
	ctx = keyspace.WithScope(ctx, keyspace.In(t.Identity))
	ctx = target.With(ctx, target.Target{Path: t.Identity.Path(), Identity: t.Identity})
	decision, _, err := h.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: a.GetUser(), Verb: "get", ResourceRequest: true,
		APIGroup: tenancyv1alpha1.GroupName, APIVersion: tenancyv1alpha1.SchemeGroupVersion.Version,
		Resource: "workspaces", Name: t.View.Target,
		Path: "/apis/" + tenancyv1alpha1.SchemeGroupVersion.String() + "/workspaces/" + t.View.Target,
	})
	return err == nil && decision == authorizer.DecisionAllow
}

// mountLoop keeps the mounts up to date.
func (h *Hub) mountLoop() loop.Controller {
	return mounts.New(mounts.Config{
		Hub: h.hubClient, Workspaces: h.models.workspaces, Definitions: h.models.definitions, OnRebound: h.catalog.OnRebound,
		Resources: h.served, Doors: h.mounts, HubURL: h.baseURL,
	})
}

func (h *Hub) mount(path logicalcluster.Path) (logicalcluster.Name, string, logicalcluster.Path, bool) {
	found, ok := h.directory.Mount(path)
	return found.In, found.Name, found.Below, ok
}
