package harness

import (
	"fmt"
	"net/url"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Redirect writes to file what the current context of a kubeconfig says, with
// another server. An address without a path keeps the path of the old server.
func Redirect(kubeconfig, file, server string) error {
	return rewrite(kubeconfig, file, func(cluster *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) error {
		address, err := url.Parse(server)
		if err != nil {
			return err
		}
		old, err := url.Parse(cluster.Server)
		if err != nil {
			return err
		}
		if address.Path == "" {
			address.Path = old.Path
		}
		cluster.Server = address.String()
		return nil
	})
}

// WithToken writes to file the current context of a kubeconfig, at another
// server, with a token in place of other credentials.
func WithToken(kubeconfig, file, server, token string) error {
	return rewrite(kubeconfig, file, func(cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) error {
		cluster.Server = server
		*user = clientcmdapi.AuthInfo{Token: token}
		return nil
	})
}

func rewrite(kubeconfig, file string, change func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo) error) error {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return fmt.Errorf("failed to read %s: %w", kubeconfig, err)
	}
	if err := clientcmdapi.MinifyConfig(config); err != nil {
		return fmt.Errorf("failed to read %s: %w", kubeconfig, err)
	}
	current := config.Contexts[config.CurrentContext]
	if err := change(config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]); err != nil {
		return fmt.Errorf("failed to change the server in %s: %w", kubeconfig, err)
	}
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("failed to write %s: %w", file, err)
	}
	return nil
}
