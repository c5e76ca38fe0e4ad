package arrows

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Import is one import declaration. From is a package of the module, relative
// to it; To is relative as well if it is of the module, else an import path.
type Import struct {
	From, To string
	// File is where it stands, relative to the module.
	File string
	// InTest means that the file is a test.
	InTest bool
}

// Read returns the packages of the module in root and what they import, whatever
// the build constraints say. Modules in folders of root are not part of it.
//
// It opens every file itself rather than asking the go command, which also tells
// go test when a remembered result is out of date.
func Read(root string) (module string, packages []string, imports []Import, err error) {
	if module, err = modulePath(root); err != nil {
		return "", nil, nil, err
	}
	found := map[string]bool{}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && !holdsPackages(file, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return fmt.Errorf("placing %s: %w", file, err)
		}
		stated, err := readFile(module, file, filepath.ToSlash(relative))
		imports = append(imports, stated...)
		if from := path.Dir(filepath.ToSlash(relative)); !found[from] {
			found[from] = true
			packages = append(packages, from)
		}
		return err
	})
	return module, packages, imports, err
}

func modulePath(root string) (string, error) {
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	module, ok := strings.CutPrefix(first, "module ")
	if !ok {
		return "", fmt.Errorf("go.mod begins with %q, not with the module's path", first)
	}
	return strings.TrimSpace(module), nil
}

// holdsPackages tells folders of the module from those the go command ignores.
func holdsPackages(dir, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err != nil
}

func readFile(module, file, relative string) ([]Import, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading imports: %w", err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, content, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("reading imports: %w", err)
	}
	var imports []Import
	for _, spec := range parsed.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("reading imports of %s: %w", relative, err)
		}
		imports = append(imports, Import{
			From: path.Dir(relative), To: strings.TrimPrefix(to, module+"/"), File: relative, InTest: strings.HasSuffix(file, "_test.go"),
		})
	}
	return imports, nil
}

// Graph says what each package imports in a build of today's platform, packages
// of other modules included. Those of the module are named relative to it.
type Graph map[string][]string

// ReadGraph asks the go command for everything that the named packages depend on.
func ReadGraph(root, module string, packages []string) (Graph, error) {
	args := []string{"list", "-deps", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`}
	for _, room := range packages {
		args = append(args, "./"+room)
	}
	cmd := exec.Command("go", args...)
	stderr := &bytes.Buffer{}
	cmd.Dir, cmd.Stderr = root, stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking go list for dependencies: %w: %s", err, stderr)
	}
	graph := Graph{}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		for i, name := range names {
			names[i] = strings.TrimPrefix(name, module+"/")
		}
		graph[names[0]] = names[1:]
	}
	return graph, nil
}
