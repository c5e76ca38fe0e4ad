package pki

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The names of what Ensure makes. A name stands for NAME.crt and NAME.key in the directory, except
// ServiceAccounts, which stands for NAME.key and NAME.pub.
const (
	CA                 = "ca"
	FrontProxyCA       = "front-proxy-ca"
	APIServer          = "apiserver"
	Kubelet            = "kubelet"
	Admin              = "admin"
	ControllerManager  = "kube-controller-manager"
	Scheduler          = "kube-scheduler"
	Kwok               = "kwok"
	APIServerToKubelet = "apiserver-kubelet-client"
	FrontProxyClient   = "front-proxy-client"
	ServiceAccounts    = "sa"
)

// mastersGroup is the group that may do everything, by Kubernetes' own rules.
const mastersGroup = "system:masters"

// Dir is a directory that Ensure has filled.
type Dir string

// Cert is the path of a certificate, in PEM.
func (d Dir) Cert(name string) string { return filepath.Join(string(d), name+".crt") }

// Key is the path of a private key, in PEM.
func (d Dir) Key(name string) string { return filepath.Join(string(d), name+".key") }

// PublicKey is the path of a public key, in PEM; only ServiceAccounts has one.
func (d Dir) PublicKey(name string) string { return filepath.Join(string(d), name+".pub") }

// Ensure makes what is missing or no longer good in dir and keeps the rest. serviceIP is the cluster IP
// of the kubernetes service, the first address of the service range.
func Ensure(dir string, serviceIP net.IP, now time.Time) (Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("failed to make the certificate directory: %w", err)
	}
	d := Dir(dir)
	if err := d.ensureLeaves(CA, "child-ca", clusterLeaves(serviceIP), now); err != nil {
		return "", err
	}
	frontProxy := map[string]leaf{FrontProxyClient: client("front-proxy-client")}
	if err := d.ensureLeaves(FrontProxyCA, "child-front-proxy-ca", frontProxy, now); err != nil {
		return "", err
	}
	return d, ensureServiceAccountKey(d.path(ServiceAccounts))
}

func (d Dir) ensureLeaves(authorityName, commonName string, leaves map[string]leaf, now time.Time) error {
	ca, err := ensureAuthority(d.path(authorityName), commonName, now)
	if err != nil {
		return err
	}
	for name, leaf := range leaves {
		if err := ca.ensureLeaf(d.path(name), leaf, now); err != nil {
			return err
		}
	}
	return nil
}

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// clusterLeaves are the certificates that the cluster's own authority signs. The users and groups are
// those that Kubernetes' built-in RBAC rules are written for.
func clusterLeaves(serviceIP net.IP) map[string]leaf {
	loopback := net.IPv4(127, 0, 0, 1)
	apiNames := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	return map[string]leaf{
		APIServer:          server("kube-apiserver", apiNames, loopback, serviceIP),
		Kubelet:            server("kubelet", []string{"localhost"}, loopback),
		Admin:              client("kubernetes-admin", mastersGroup),
		Kwok:               client("kwok", mastersGroup),
		APIServerToKubelet: client("kube-apiserver-kubelet-client", mastersGroup),
		ControllerManager:  client("system:kube-controller-manager"),
		Scheduler:          client("system:kube-scheduler"),
	}
}
