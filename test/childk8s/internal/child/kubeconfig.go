package child

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/atriumhub/atrium/test/childk8s/internal/pki"
)

// kubeconfig is a login with the named client certificate. It holds the certificates themselves, so that
// the file can be copied to wherever it is needed.
func kubeconfig(clusterName, server string, keys pki.Dir, user string) ([]byte, error) {
	var files [3][]byte
	for i, path := range []string{keys.Cert(pki.CA), keys.Cert(user), keys.Key(user)} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("failed to read a certificate for %s: %w", user, err)
		}
		files[i] = text
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[clusterName] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: files[0]}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: files[1], ClientKeyData: files[2]}
	config.Contexts[clusterName] = &clientcmdapi.Context{Cluster: clusterName, AuthInfo: user}
	config.CurrentContext = clusterName
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("failed to encode the kubeconfig of %s: %w", user, err)
	}
	return text, nil
}
