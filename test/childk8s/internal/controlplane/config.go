package controlplane

import (
	"net"
	"path/filepath"

	"github.com/atriumhub/atrium/test/childk8s/internal/pki"
)

// The networks of every child. No packet is ever sent to them: pods are simulated.
const (
	ServiceCIDR = "10.0.0.0/16"
	PodCIDR     = "10.244.0.0/16"
)

// ServiceIP is the address of the kubernetes service, the first one of ServiceCIDR.
var ServiceIP = net.IPv4(10, 0, 0, 1)

// Config is what a control plane is made of.
type Config struct {
	// Name is used for the etcd member only.
	Name string
	// DataDir keeps etcd's data; it must exist.
	DataDir string
	// Listener is the open port of the API server, on 127.0.0.1. Start takes it over.
	Listener net.Listener
	// PKI holds the certificates, see package pki.
	PKI pki.Dir
	// ControllerManagerKubeconfig and SchedulerKubeconfig are the files these two log in with.
	ControllerManagerKubeconfig string
	SchedulerKubeconfig         string
	// Failed takes the error of a component that ended although Stop was not called. It needs room for
	// one error of each of the four.
	Failed chan<- error
}

func (c Config) etcdDir() string { return filepath.Join(c.DataDir, "etcd") }

func (c Config) apiserverArgs(etcdURL string) []string {
	keys := c.PKI
	return []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--etcd-servers=" + etcdURL,
		"--tls-cert-file=" + keys.Cert(pki.APIServer),
		"--tls-private-key-file=" + keys.Key(pki.APIServer),
		"--client-ca-file=" + keys.Cert(pki.CA),
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keys.PublicKey(pki.ServiceAccounts),
		"--service-account-signing-key-file=" + keys.Key(pki.ServiceAccounts),
		"--service-cluster-ip-range=" + ServiceCIDR,
		// The address would be a loopback one, which endpoints may not hold.
		"--endpoint-reconciler-type=none",
		"--kubelet-certificate-authority=" + keys.Cert(pki.CA),
		"--kubelet-client-certificate=" + keys.Cert(pki.APIServerToKubelet),
		"--kubelet-client-key=" + keys.Key(pki.APIServerToKubelet),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + keys.Cert(pki.FrontProxyCA),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + keys.Cert(pki.FrontProxyClient),
		"--proxy-client-key-file=" + keys.Key(pki.FrontProxyClient),
		"--profiling=false",
	}
}

func (c Config) controllerManagerArgs() []string {
	keys := c.PKI
	return []string{
		"--kubeconfig=" + c.ControllerManagerKubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + keys.Key(pki.ServiceAccounts),
		"--root-ca-file=" + keys.Cert(pki.CA),
		"--cluster-signing-cert-file=" + keys.Cert(pki.CA),
		"--cluster-signing-key-file=" + keys.Key(pki.CA),
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + PodCIDR,
		"--service-cluster-ip-range=" + ServiceCIDR,
		// With the default rates the first service account takes 10 s to appear.
		"--kube-api-qps=300",
		"--kube-api-burst=600",
	}
}

func (c Config) schedulerArgs() []string {
	return []string{
		"--kubeconfig=" + c.SchedulerKubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=300",
		"--kube-api-burst=600",
	}
}
