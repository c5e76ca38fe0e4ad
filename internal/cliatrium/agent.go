package cliatrium

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

const (
	// syncerIDPrefix starts the name of an agent's service account.
	syncerIDPrefix = "kcp-syncer-"
	// hashLength is how much of a hash goes into a name.
	hashLength = 8
	// agentContext is the context of a kubeconfig that this plugin wrote for an
	// agent.
	agentContext = "atrium-syncer"
)

// shortHash is the beginning of the SHA-224 of text, in base 36.
func shortHash(text string) string {
	sum := sha256.Sum224([]byte(text))
	return new(big.Int).SetBytes(sum[:]).Text(36)[:hashLength]
}

// syncerID names what an agent has in the hub. It changes with the UID: a sync
// target that was deleted and made again has nothing to do with the old agent.
func syncerID(target *workloadv1alpha1.SyncTarget) string {
	return syncerIDPrefix + target.Name + "-" + shortHash(string(target.UID))
}

// agentRole is what an agent may do in the workspace of its sync target: see the
// target, report its state, and enter the view of its objects. What it may do
// with those is up to the view.
func agentRole(id, target string) *rbacv1.ClusterRole {
	group := []string{workloadv1alpha1.GroupName}
	return &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: id},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: group, Resources: []string{"synctargets"}, ResourceNames: []string{target}, Verbs: []string{"get", "list", "watch", "sync"}},
			{APIGroups: group, Resources: []string{"synctargets/status"}, ResourceNames: []string{target}, Verbs: []string{"get", "update", "patch"}},
			// Entering a workspace takes this verb on its root.
			{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}},
		},
	}
}

func agentBinding(id, namespace string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: id},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: id},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: id}},
	}
}

// agentKubeconfig is a kubeconfig that stands alone: the address of the workspace
// by its ID, which no renaming can change, the hub's CA, and a token. hub is how
// the user reaches the hub.
func agentKubeconfig(hub *clientcmdapi.Cluster, server, user, token, namespace string) (*clientcmdapi.Config, error) {
	cluster := hub.DeepCopy()
	cluster.Server, cluster.LocationOfOrigin, cluster.Extensions = server, "", nil
	if cluster.CertificateAuthority != "" && len(cluster.CertificateAuthorityData) == 0 {
		data, err := os.ReadFile(cluster.CertificateAuthority)
		if err != nil {
			return nil, fmt.Errorf("reading the hub's certificate authority: %w", err)
		}
		cluster.CertificateAuthorityData = data
	}
	cluster.CertificateAuthority = ""
	config := clientcmdapi.NewConfig()
	config.Clusters["hub"] = cluster
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[agentContext] = &clientcmdapi.Context{Cluster: "hub", AuthInfo: user, Namespace: namespace}
	config.CurrentContext = agentContext
	return config, nil
}
