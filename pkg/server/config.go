package server

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	svmv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	apiextensionsoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	genericfeatures "k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/registry/generic"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/component-base/compatibility"
	metricsfeatures "k8s.io/component-base/metrics/features"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/storagemigration"
	controlplane "k8s.io/kubernetes/pkg/controlplane/apiserver"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"
	generatedopenapi "k8s.io/kubernetes/pkg/generated/openapi"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"

	"github.com/atriumhub/atrium/internal/pki"
	"github.com/atriumhub/atrium/pkg/authentication"
	"github.com/atriumhub/atrium/pkg/nativeapis"
)

// shutdownGrace is how long watches may take to end after SIGTERM.
const shutdownGrace = 2 * time.Second

// upstream is the configured, not yet built generic control plane, and the
// storage options of the kinds that have a codec of their own.
type upstream struct {
	config *controlplane.Config
	// native, crds and customResources are the unpartitioned storage options of
	// the upstream kinds, of CustomResourceDefinitions, and of what they define.
	native, crds, customResources generic.RESTOptionsGetter
}

// controlPlaneOptions turns the hub's options into those of the generic control
// plane. Authorization and admission are left out: the hub has its own.
func controlPlaneOptions(o *Options, endpoints []string, listener net.Listener, authority *pki.Authority, issuers *authentication.Issuers) (*options.Options, error) {
	serving, err := authority.Serving("serving", servingHosts(o))
	if err != nil {
		return nil, fmt.Errorf("failed to make the serving certificate: %w", err)
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(features); err != nil {
		return nil, fmt.Errorf("failed to choose features: %w", err)
	}
	s := options.NewOptions()
	s.Admission, s.Authorization = nil, nil
	s.SystemNamespaces = []string{"kube-system", "default"}
	s.GenericServerRunOptions.AdvertiseAddress = advertised(o)
	s.GenericServerRunOptions.ExternalHost = o.host()
	s.GenericServerRunOptions.ShutdownSendRetryAfter = true
	s.GenericServerRunOptions.ShutdownWatchTerminationGracePeriod = shutdownGrace
	s.SecureServing.Listener = listener
	s.SecureServing.BindAddress = net.ParseIP(o.BindAddress)
	s.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	s.SecureServing.ServerCert.CertKey.CertFile = serving.CertFile
	s.SecureServing.ServerCert.CertKey.KeyFile = serving.KeyFile
	s.Etcd.StorageConfig.Transport.ServerList = endpoints
	s.Etcd.StorageConfig.CompactionInterval = o.EtcdHistory
	// Nobody collects what is owned by others: with the finalizers of a cascading
	// deletion, which a collector takes off, objects would never go.
	s.Etcd.EnableGarbageCollection = false
	s.Etcd.StorageConfig.Transport.TrustedCAFile = o.EtcdCAFile
	s.Etcd.StorageConfig.Transport.CertFile = o.EtcdCertFile
	s.Etcd.StorageConfig.Transport.KeyFile = o.EtcdKeyFile
	if s.Authentication.ClientCert.CAContentProvider, err = clientAuthorities(o, authority); err != nil {
		return nil, err
	}
	s.Authentication.TokenFile.TokenFile = o.TokenAuthFile
	s.Authentication.OIDC, s.Authentication.AuthenticationConfigFile = o.Login.OIDC, o.Login.AuthenticationConfigFile
	// Each workspace is an issuer of its own, see buildAuthentication. Upstream
	// needs the name of one, which is also the audience that stands for the hub,
	// and is given no keys to accept its tokens by.
	s.Authentication.ServiceAccounts.Issuers = []string{issuers.Hub()}
	s.Authentication.APIAudiences = []string{issuers.Hub()}
	s.Authentication.ServiceAccounts.ExternalPublicKeysGetter = authentication.NoKeys()
	s.Authentication.ServiceAccounts.OptionalTokenGetter = authentication.NoTokens
	s.ServiceAccountIssuer = issuers
	// A remembered token would be good in every workspace.
	s.Authentication.TokenSuccessCacheTTL, s.Authentication.TokenFailureCacheTTL = 0, 0
	// Priority and fairness upstream knows users, not workspaces, and costs a
	// read model; the plain limit on requests in flight stands until the hub
	// has its own.
	s.Features.EnablePriorityAndFairness = false
	s.Features.EnableProfiling = o.Profiling
	return s, nil
}

// features are those that upstream has otherwise.
var features = map[string]bool{
	// Each event of each watch in etcd is decoded by a goroutine of its own, whose
	// stack has to grow first: for a hub, whose events are many and small, that
	// costs more than it gains.
	string(genericfeatures.ConcurrentWatchObjectDecode): false,
	// It remembers for ten seconds who may impersonate whom, and not in which
	// workspace. Without it the verb "impersonate" works as ever.
	string(genericfeatures.ConstrainedImpersonation): false,
	// Each of hundreds of series would have up to 160 buckets of its own, each of
	// several small objects that are made while the hub is busiest and stay: they
	// keep the pages around them. The classic buckets remain in every format.
	string(metricsfeatures.NativeHistograms): false,
}

// servingHosts are the names and addresses the serving certificate is good for.
func servingHosts(o *Options) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, host := range []string{o.host(), o.BindAddress} {
		ip := net.ParseIP(host)
		if host == "localhost" || (ip != nil && (ip.IsLoopback() || ip.IsUnspecified())) {
			continue
		}
		hosts = append(hosts, host)
	}
	return hosts
}

// advertised is an address that upstream accepts as its own. It is used in
// leases only, so that a loopback hub may advertise a documentation address.
func advertised(o *Options) net.IP {
	if ip := net.ParseIP(o.BindAddress); !ip.IsUnspecified() && !ip.IsLoopback() {
		return ip
	}
	return net.ParseIP("192.0.2.1")
}

func newUpstream(ctx context.Context, s *options.Options) (*upstream, error) {
	completed, err := s.Complete(ctx, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("failed to complete the options of the control plane: %w", err)
	}
	schemes := []*runtime.Scheme{legacyscheme.Scheme, apiextensionsapiserver.Scheme}
	config, sharedInformers, storageFactory, err := controlplane.BuildGenericConfig(completed, schemes, nativeapis.ResourceConfig(), generatedopenapi.GetOpenAPIDefinitions, nil)
	if err != nil {
		return nil, fmt.Errorf("failed to configure the generic server: %w", err)
	}
	// Kubernetes stores these in an older version, for the sake of downgrades. The
	// informers of the hub read what is stored in the version that is served.
	storageFactory.ResourceEncodingConfig.(*serverstorage.DefaultResourceEncodingConfig).SetResourceEncoding(
		storagemigration.Resource("storageversionmigrations"), svmv1.SchemeGroupVersion, storagemigration.SchemeGroupVersion)
	config.EffectiveVersion = kubernetesVersion{config.EffectiveVersion}
	// OpenAPI is composed per workspace by pkg/discovery.
	config.SkipOpenAPIInstallation = true
	native := config.RESTOptionsGetter
	full, _, err := controlplane.CreateConfig(completed, config, sharedInformers, nil, storageFactory, webhook.NewDefaultServiceResolver(), nil)
	if err != nil {
		return nil, fmt.Errorf("failed to configure the control plane: %w", err)
	}

	// pkg/upkeep/bootstrap stores the policy, without the hook's wait.
	full.Generic.DisabledPostStartHooks.Insert(rbacrest.PostStartHookName)

	etcd := *completed.Etcd
	etcd.StorageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	crdEtcd := etcd
	crdEtcd.StorageConfig.Codec = apiextensionsapiserver.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion)
	crdEtcd.SkipHealthEndpoints = true
	crdConfig := *config
	if err := crdEtcd.ApplyTo(&crdConfig); err != nil {
		return nil, fmt.Errorf("failed to configure the storage of customresourcedefinitions: %w", err)
	}
	return &upstream{
		config:          full,
		native:          native,
		crds:            crdConfig.RESTOptionsGetter,
		customResources: apiextensionsoptions.NewCRDRESTOptionsGetter(etcd, config.ResourceTransformers, config.StorageObjectCountTracker),
	}, nil
}

// kubernetesVersion says at /version which Kubernetes the hub is built from. A
// release of Kubernetes learns that from its linker; a module does not, and what
// upstream says then is no version that kubectl or Helm could compare.
type kubernetesVersion struct{ compatibility.EffectiveVersion }

// Info has a gitVersion like "v1.37.0+atrium".
func (v kubernetesVersion) Info() *version.Info {
	info := v.EffectiveVersion.Info()
	built := v.BinaryVersion()
	info.GitVersion, info.GitCommit = fmt.Sprintf("v%d.%d.%d", built.Major(), built.Minor(), built.Patch()), ""
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "k8s.io/kubernetes" {
				info.GitVersion = module.Version
			}
		}
	}
	info.GitVersion += "+atrium"
	return info
}
