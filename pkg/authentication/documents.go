package authentication

import (
	"encoding/json"
	"fmt"
	"net/http"

	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/identity/issuer"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// maxAge is how long, in seconds, others may keep what an issuer says of itself.
// It is how long a new key may be unknown to those who do not ask again when
// they meet it.
const maxAge = 300

// WithPublicDocuments answers, to everybody, what an issuer says of itself: its
// configuration and its keys, below the URL with the ID of the workspace. They
// are the same for workspaces that exist and for those that do not, so that they
// tell nothing; below a path, which may be secret, they are not served.
//
// It stands before everything else: clouds that are to trust a workspace have no
// account there.
func (i *Issuers) WithPublicDocuments(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		workspace, document, ok := issuer.Document(req.URL.Path)
		if !ok || (req.Method != http.MethodGet && req.Method != http.MethodHead) {
			next.ServeHTTP(w, req)
			return
		}
		i.serve(w, workspace, document)
	})
}

// WithDocuments answers the same to those who are in a workspace, whatever they
// call it.
func (i *Issuers) WithDocuments(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		t, _ := target.From(req.Context())
		if !issuer.IsDocument(req.URL.Path) || t.Identity.Empty() || t.View != nil {
			next.ServeHTTP(w, req)
			return
		}
		i.serve(w, t.Identity, req.URL.Path)
	})
}

func (i *Issuers) serve(w http.ResponseWriter, workspace logicalcluster.Name, document string) {
	content, kind, err := i.document(workspace, document)
	if err != nil {
		klog.ErrorS(err, "Cannot say who issues the tokens of a workspace", "workspace", workspace)
		http.Error(w, "the keys of this issuer cannot be had at the moment", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", maxAge))
	_, _ = w.Write(content) // who does not listen any more is not told
}

func (i *Issuers) document(workspace logicalcluster.Name, document string) (content []byte, kind string, err error) {
	if document == issuer.ConfigurationPath {
		content, err = json.Marshal(issuer.ConfigurationOf(i.baseURL, workspace))
		return content, "application/json", err
	}
	set, err := i.keys.Load().Keys(workspace)
	if err != nil {
		return nil, "", err
	}
	content, err = json.Marshal(set)
	return content, "application/jwk-set+json", err
}
