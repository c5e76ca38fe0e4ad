package server

import (
	"fmt"
	"maps"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/atriumhub/atrium/internal/pki"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Users of admin.kubeconfig and the groups in their certificates.
const (
	adminUser       = "kcp-admin"
	shardAdminUser  = "shard-admin"
	adminGroup      = "system:kcp:admin"
	privilegedGroup = "system:masters"
)

// writeKubeconfig writes the administrators' kubeconfig. Its contexts are those
// of kcp: root and base as kcp-admin, system:admin and shard-base as
// shard-admin. What else its user keeps in the file stays, the workspace that
// "kubectl ws" went to for one.
func writeKubeconfig(file, baseURL string, authority *pki.Authority) error {
	admin, err := authority.Client("kcp-admin", adminUser, adminGroup)
	if err != nil {
		return fmt.Errorf("failed to make the certificate of %s: %w", adminUser, err)
	}
	shardAdmin, err := authority.Client("shard-admin", shardAdminUser, privilegedGroup)
	if err != nil {
		return fmt.Errorf("failed to make the certificate of %s: %w", shardAdminUser, err)
	}
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		config = clientcmdapi.NewConfig() // there is none yet, or it is beyond use
	}
	merge(config, kubeconfig(baseURL, authority.PEM(), admin, shardAdmin))
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("failed to write %s: %w", file, err)
	}
	return nil
}

// merge puts the entries of ours into config.
func merge(config, ours *clientcmdapi.Config) {
	maps.Copy(config.Clusters, ours.Clusters)
	maps.Copy(config.AuthInfos, ours.AuthInfos)
	maps.Copy(config.Contexts, ours.Contexts)
	if _, ok := config.Contexts[config.CurrentContext]; !ok {
		config.CurrentContext = ours.CurrentContext
	}
}

func kubeconfig(baseURL string, ca []byte, admin, shardAdmin pki.Pair) *clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	cluster := func(name, url string) {
		config.Clusters[name] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: ca}
	}
	cluster("root", baseURL+logicalcluster.Root.Path().RequestPath())
	cluster("base", baseURL)
	cluster("system:admin", baseURL+logicalcluster.SystemAdmin.Path().RequestPath())
	user := func(name string, pair pki.Pair) {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	}
	user(adminUser, admin)
	user(shardAdminUser, shardAdmin)
	context := func(name, cluster, user string) {
		config.Contexts[name] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user}
	}
	context("root", "root", adminUser)
	context("base", "base", adminUser)
	context("system:admin", "system:admin", shardAdminUser)
	context("shard-base", "base", shardAdminUser)
	config.CurrentContext = "root"
	return config
}
