package transform

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// SourceAnnotation on a copy says what it was made from.
const SourceAnnotation = "syncer.atrium.io/source"

// Source is what a copy was made from. Thanks to it an agent that was restarted
// knows which copies are up to date without writing any.
type Source struct {
	// UID of the hub object.
	UID string
	// Generation of the hub object. The child counts generations of its own.
	Generation int64
	// Hash of the copy as it was sent, without this annotation.
	Hash string
}

// SourceOf reads the annotation of a copy. It is false when there is none that
// makes sense.
func SourceOf(childObj metav1.Object) (Source, bool) {
	parts := strings.Split(childObj.GetAnnotations()[SourceAnnotation], "/")
	if len(parts) != 3 {
		return Source{}, false
	}
	generation, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Source{}, false
	}
	return Source{UID: parts[0], Generation: generation, Hash: parts[2]}, true
}

// String returns the value of the annotation.
func (s Source) String() string { return fmt.Sprintf("%s/%d/%s", s.UID, s.Generation, s.Hash) }

// mark stamps what hubObj is onto the copy made from it.
func mark(childObj, hubObj *unstructured.Unstructured) error {
	text, err := json.Marshal(childObj.Object)
	if err != nil {
		return fmt.Errorf("failed to encode the copy of %s: %w", hubObj.GetName(), err)
	}
	sum := sha256.Sum256(text)
	source := Source{
		UID:        string(hubObj.GetUID()),
		Generation: hubObj.GetGeneration(),
		Hash:       new(big.Int).SetBytes(sum[:10]).Text(36),
	}
	annotations := childObj.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[SourceAnnotation] = source.String()
	childObj.SetAnnotations(annotations)
	return nil
}
