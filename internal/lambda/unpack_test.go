package lambda

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"naru/internal/store"
)

// linked returns a zip file with a symbolic link, and a file after it.
func linked(t *testing.T, name, target, file string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	link := &zip.FileHeader{Name: name}
	link.SetMode(fs.ModeSymlink | 0o777)
	for _, part := range []struct {
		header *zip.FileHeader
		text   string
	}{{link, target}, {&zip.FileHeader{Name: file}, "text"}} {
		f, err := z.CreateHeader(part.header)
		if err == nil {
			_, err = f.Write([]byte(part.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestLinksThatLeadOutAreRefusedAndNothingIsLeft(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		for what, text := range map[string][]byte{
			"an absolute link": linked(t, "link", "/etc", "index.js"), "a link up": linked(t, "a/link", "../../x", "index.js"),
			"a file through a link": linked(t, "link", "/tmp", "link/evil"), "a damaged file": damaged(t),
		} {
			if err := w.service.setCode(&Version{}, &FunctionCode{ZipFile: text}); code(err) != "InvalidParameterValueException" {
				t.Errorf("%s: %v", what, err)
			}
		}
		entries, err := os.ReadDir(w.dir)
		for _, e := range entries {
			if e.IsDir() {
				t.Errorf("%s is left", e.Name())
			}
		}
		if err != nil {
			t.Error(err)
		}
		v := &Version{}
		if err := w.service.setCode(v, &FunctionCode{ZipFile: linked(t, "a/link", "../index.js", "index.js")}); err != nil {
			t.Errorf("a link inside: %v", err)
		}
		if text, err := os.ReadFile(filepath.Join(w.dir, string(v.Code), "a/link")); err != nil || string(text) != "text" {
			t.Errorf("through it: %q, %v", text, err)
		}
	})
}

// damaged returns a zip file whose content is not what its checksum says.
func damaged(t *testing.T) []byte {
	t.Helper()
	text := []byte("exports.handler = async () => 'a text that is stored as it is';")
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "index.js", Method: zip.Store})
	if err == nil {
		_, err = f.Write(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(out.Bytes(), []byte("a text"), []byte("A text"), 1)
}

func TestLayersLieOneOverTheOther(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		publish := func(layer, text string) UsedLayer {
			t.Helper()
			v, err := w.service.PublishLayerVersion(call("l"), &PublishLayerVersionInput{
				LayerName: layer, Content: &LayerVersionContentInput{ZipFile: zipOf(t, map[string]string{"shared": text, layer: text})},
			})
			if err != nil {
				t.Fatal(err)
			}
			used, err := w.service.useLayers(region, []string{v.LayerVersionArn})
			if err != nil {
				t.Fatal(err)
			}
			return used[0]
		}
		a, b := publish("a", "of a"), publish("b", "of b")
		folder, err := w.service.code.layers([]UsedLayer{a, b})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"shared": "of b", "a": "of a", "b": "of b"} {
			if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(text) != want {
				t.Errorf("%s is %q, %v", name, text, err)
			}
		}
	})
}

func TestWhatNobodyHasIsSweptAway(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("kept", func(in *CreateFunctionInput) { in.Publish = true })
		w.create("gone", nil)
		code := func(name string) store.Sum { f, _ := w.service.function(functionNamed(name)); return f.Code }
		kept, gone := code("kept"), code("gone")
		_, err := w.service.UpdateFunctionCode(call("u"), &UpdateFunctionCodeInput{FunctionName: "kept", ZipFile: zipOf(t, map[string]string{"index.js": "// other"})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.service.DeleteFunction(call("d"), &DeleteFunctionInput{FunctionName: "gone"}); err != nil {
			t.Fatal(err)
		}
		w.powerCut()
		if _, err := w.store.Blobs().Get(kept); err != nil {
			t.Errorf("the code of a version: %v", err)
		}
		if _, err := w.store.Blobs().Get(gone); err == nil {
			t.Error("the code of a deleted function is still there")
		}
		if _, err := os.Stat(filepath.Join(w.dir, string(gone))); err == nil {
			t.Error("and unpacked")
		}
	})
}

func functionNamed(function string) name { return name{account, region, function, ""} }
