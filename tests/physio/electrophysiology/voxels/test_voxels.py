"""Voxels of images, closed surfaces and tetrahedra, against volumes known exactly."""

from dataclasses import replace

import numpy as np
import pytest

from physio.electrophysiology.anatomy.shapes import (
    Atrium,
    Biventricle,
    LeftVentricle,
    Slab,
)
from physio.electrophysiology.mesh.formats.files import read
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.voxels import voxels as module
from physio.electrophysiology.voxels.images import from_image, from_nifti
from physio.electrophysiology.voxels.voxelise import from_mesh
from physio.electrophysiology.voxels.voxels import Voxels, active

LV = LeftVentricle()


def box(low, high) -> tuple[np.ndarray, np.ndarray]:
    """The corners and twelve triangles of a box."""
    ends = np.array([low, high], dtype=float)
    nodes = np.array([ends[[i, j, k], [0, 1, 2]] for i in (0, 1) for j in (0, 1)
                      for k in (0, 1)])  # fmt: skip
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4)]
    sides.append((1, 5, 7, 3))
    halves = [(s[0], s[k], s[k + 1]) for s in sides for k in (1, 2)]
    return nodes, np.array(halves, dtype=np.int32)


def surface(*boxes) -> Mesh:
    nodes, triangles, start = [], [], 0
    for low, high in boxes:
        corners, halves = box(low, high)
        nodes.append(corners)
        triangles.append(halves + start)
        start += len(corners)
    return Mesh(
        nodes=np.concatenate(nodes), elements={"triangle": np.concatenate(triangles)}
    )


def sample(seed: int = 0, shape=(7, 5, 6)) -> Voxels:
    mask = np.random.default_rng(seed).random(shape) < 0.5
    return Voxels(0.5, np.array([1.0, 2.0, 3.0]), shape, active(mask))


def test_neighbours_are_those_of_the_mask():
    voxels = sample()
    grid = np.full(voxels.shape, -1)
    grid[tuple(voxels.index.T)] = np.arange(voxels.n_node)
    padded = np.pad(grid, 2, constant_values=-1)
    for offset in [(1, 0, 0), (0, -1, 1), (-1, -1, 0), (2, 0, -2), (0, 0, 0)]:
        place = voxels.index + 2 + np.array(offset)
        wanted = padded[tuple(place.T)]
        np.testing.assert_array_equal(voxels.neighbour(offset), wanted)
        if offset != (0, 0, 0):  # the reverse of every link is there
            found = voxels.neighbour(offset)
            back = voxels.neighbour([-o for o in offset])
            own = np.flatnonzero(found >= 0)
            np.testing.assert_array_equal(back[found[own]], own)


def test_neighbours_without_a_table_are_the_same(monkeypatch):
    wanted = sample().neighbour((0, 1, -1))
    monkeypatch.setattr(module, "_DENSE", 0)
    np.testing.assert_array_equal(sample().neighbour((0, 1, -1)), wanted)
    assert (wanted >= 0).any() and (wanted < 0).any()


def test_boundary_and_components():
    mask = np.zeros((8, 5, 5), dtype=bool)
    mask[1:4, 1:4, 1:4] = True
    mask[4, 4, 4] = True  # touches the cube at no face
    mask[6, 0, 0] = True
    voxels = Voxels(1.0, np.zeros(3), mask.shape, active(mask))
    label = voxels.components()
    assert np.bincount(label).tolist() == [27, 1, 1]
    assert (~voxels.boundary()).sum() == 1  # the cube's middle
    largest = voxels.only(label == 0)
    assert largest.n_node == 27 and largest.components().max() == 0
    with pytest.raises(ValueError, match="the mask is empty"):
        voxels.only(label == 9)


def test_hexahedra_have_the_voxels_volume_and_centres():
    voxels = sample()
    mesh = replace(voxels, fields={"v": np.arange(voxels.n_node)}).to_mesh()
    assert mesh.measures("hexahedron") == pytest.approx(0.125)
    np.testing.assert_allclose(mesh.centroids("hexahedron"), voxels.nodes, atol=1e-12)
    assert len(np.unique(mesh.nodes, axis=0)) == mesh.n_node  # corners are shared
    assert mesh.cell_fields["v"]["hexahedron"][3] == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spacing": 0.0}, "give more than 0"),
        ({"index": np.zeros((0, 3), np.int32)}, "the mask is empty"),
        ({"index": np.zeros((2, 2), np.int32)}, "give \\(n_node, 3\\)"),
        ({"index": np.array([[7, 0, 0]], np.int32)}, "leaves the grid"),
        ({"index": np.array([[1, 0, 0], [0, 1, 0]], np.int32)}, "lexicographic"),
        ({"index": np.array([[1, 0, 0], [1, 0, 0]], np.int32)}, "each voxel once"),
        ({"regions": np.zeros(3, np.int32)}, "regions has shape \\(3,\\)"),
        ({"fibres": np.zeros((3, 3))}, "fibres has shape"),
        ({"sheets": np.zeros((3, 2))}, "give unit vectors"),
        ({"fields": {"u": np.zeros(3)}}, "u has shape \\(3,\\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(sample(), **{"regions": np.zeros(0, np.int32)} | changes)


def test_a_surface_whose_edges_lie_on_the_rays_is_filled_exactly():
    # every face, edge and diagonal of these boxes passes through voxel centres
    voxels = from_mesh(surface(((0, 0, 0), (6, 8, 10))), 1.0)
    assert voxels.n_node == 480
    shifted = from_mesh(surface(((0.5, 0.5, 0.5), (6.5, 6.5, 6.5))), 0.5)
    assert shifted.volume == pytest.approx(216.0)


def test_nested_surfaces_take_turns():
    shell = surface(((0, 0, 0), (12, 12, 12)), ((3, 3, 3), (9, 9, 9)))
    voxels = from_mesh(shell, 0.75)
    assert voxels.volume == pytest.approx(1728.0 - 216.0)
    inside = ((voxels.nodes > 3.0) & (voxels.nodes < 9.0)).all(axis=1)
    assert not inside.any()
    twins = surface(((0, 0, 0), (4, 4, 4)), ((6, 0, 0), (10, 4, 4)))
    pieces = from_mesh(twins, 0.5)
    assert pieces.volume == pytest.approx(128.0)
    assert np.bincount(pieces.components()).tolist() == [512, 512]


@pytest.mark.parametrize("turn", range(3))
def test_a_turned_ellipsoid_has_its_voxels(turn):
    heart = Atrium(12.0, 15.0, 18.0)
    mesh = heart.as_mesh(0.8)
    rotation = np.linalg.qr(np.random.default_rng(turn).normal(size=(3, 3)))[0]
    rotated = replace(mesh, nodes=mesh.nodes @ rotation.T)
    voxels = from_mesh(rotated, 0.6)
    inside = np.linalg.norm(voxels.nodes @ rotation / [12.0, 15.0, 18.0], axis=1)
    assert inside.max() <= 1.0  # the facets lie within the ellipsoid
    # facets of 0.8 mm leave 0.6 %, cut voxels 0.1 %
    exact = 4.0 / 3.0 * np.pi * 12 * 15 * 18
    assert voxels.volume == pytest.approx(exact, rel=0.01)
    # the check can fail: a wrong size is 3 % off
    assert from_mesh(replace(mesh, nodes=mesh.nodes * 1.01), 0.6).volume > 1.02 * exact


def test_a_surface_carries_its_classes():
    mesh = Atrium(12.0, 12.0, 12.0).as_mesh(1.5)
    upper = (mesh.nodes[:, 2] > 0.0).astype(np.int8)
    sides = (mesh.centroids("triangle")[:, 0] > 0.0).astype(np.int32) + 4
    heights = mesh.centroids("triangle")[:, 2]
    mesh = replace(
        mesh,
        point_fields={"class": upper},
        regions={"triangle": sides},
        cell_fields={"height": {"triangle": heights}},
    )
    voxels = from_mesh(mesh, 1.0)
    edge = voxels.boundary()
    far = edge & (np.abs(voxels.nodes) > 1.5).all(axis=1)
    np.testing.assert_array_equal(
        voxels.fields["class"][far], voxels.nodes[far, 2] > 0.0
    )
    np.testing.assert_array_equal(
        voxels.fields["surface"][far], 4 + (voxels.nodes[far, 0] > 0.0)
    )
    assert voxels.fields["height"].shape == (voxels.n_node,)
    assert voxels.regions.max() == 0  # one tissue: the regions were the surface's


def test_tetrahedra_carry_everything():
    mesh = LV.as_mesh(3.0)
    middle = mesh.centroids("tetra")
    regions = np.where(middle[:, 2] > 0.0, 2, 1).astype(np.int32)
    where = mesh.nodes.copy()
    mesh = replace(
        mesh,
        regions={"tetra": regions},
        cell_fields={"height": {"tetra": middle[:, 2].astype(np.float32)}},
        point_fields=mesh.point_fields
        | {
            "place": where,
            "number": np.arange(mesh.n_node, dtype=np.int32),
            "partly": np.where(where[:, 2] > 10.0, np.nan, 1.0),
        },
    )
    voxels = from_mesh(mesh, 1.0)
    fields = voxels.fields
    # a linear field is interpolated exactly
    np.testing.assert_allclose(fields["place"], voxels.nodes, atol=1e-9)
    # ... and a whole number is that of a corner, at most an edge away
    away = np.linalg.norm(where[fields["number"]] - voxels.nodes, axis=1)
    assert fields["number"].dtype == np.int32 and away.max() < 4.0
    assert np.isnan(fields["partly"]).any() and (fields["partly"] == 1.0).any()
    assert np.abs(fields["height"] - voxels.nodes[:, 2]).max() < 3.0
    assert fields["height"].dtype == np.float32
    np.testing.assert_array_equal(voxels.regions == 2, fields["height"] > 0.0)
    # fibres are those at the tetrahedron's middle; they turn 12 degrees per mm, and
    # the middle of a 3 mm tetrahedron is 0.6 mm away across the wall on average
    exact = LV.at(voxels.nodes).fibres
    along = np.abs(np.einsum("ij,ij->i", voxels.fibres, exact))
    assert np.degrees(np.arccos(np.clip(along, -1, 1))).mean() < 9.0
    assert voxels.sheets is not None
    # up to half a layer of the base's 1600 mm^2 is in or out: 800 of 87,000 mm^3
    assert voxels.volume == pytest.approx(mesh.measures("tetra").sum(), rel=0.01)
    # tetrahedra inside out make the same voxels
    corners = mesh.elements["tetra"][:, [1, 0, 2, 3]]
    again = from_mesh(replace(mesh, elements={"tetra": corners}), 1.0)
    np.testing.assert_array_equal(again.index, voxels.index)


def test_centres_on_shared_faces_are_taken_once():
    # centres of 1 mm voxels lie on faces and edges of these tetrahedra
    slab = Slab(6.0, 6.0, 6.0).as_mesh(1.0)
    voxels = from_mesh(slab, 1.0)
    assert voxels.n_node == 216
    finer = from_mesh(slab, 0.5)
    assert finer.n_node == 216 * 8


def test_the_same_heart_as_surface_and_as_tetrahedra():
    mesh = Biventricle().as_mesh(3.0)
    hull = Mesh(nodes=mesh.nodes, elements={"triangle": mesh.surface()})
    solid, filled = from_mesh(mesh, 1.0), from_mesh(hull, 1.0)
    np.testing.assert_allclose(solid.origin, filled.origin)
    both = {tuple(i) for i in solid.index} ^ {tuple(i) for i in filled.index}
    # only centres on the surface itself may differ: the base is a plane of centres
    assert len(both) < 1e-3 * solid.n_node


def test_images_keep_their_grid_whatever_their_axes():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, (4, 5, 6)).astype(np.int16)
    plain = from_image(labels, 0.5)
    assert plain.shape == (4, 5, 6) and plain.origin.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(plain.regions, labels[labels != 0])
    for axes, signs in [((1, 0, 2), (1, 1, 1)), ((2, 0, 1), (-1, 1, -1))]:
        affine = np.zeros((4, 4))
        for x, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
            affine[x, axis] = 0.5 * sign
        affine[:, 3] = [10.0, -3.0, 7.0, 1.0]
        found = from_image(labels, affine)
        # every voxel is where the affine says, with its label
        places = np.stack(np.nonzero(labels), axis=1) @ affine[:3, :3].T + affine[:3, 3]
        order = np.lexsort(places.T[::-1])
        np.testing.assert_allclose(found.nodes, places[order], atol=1e-12)
        np.testing.assert_array_equal(found.regions, labels[labels != 0][order])


def test_images_are_sampled_at_the_wanted_spacing():
    labels = np.zeros((20, 20, 5), dtype=np.uint8)
    labels[4:16, 4:16, 1:4] = 3
    fine = from_image(labels, (1.25, 1.25, 8.0), spacing=0.625)
    assert fine.volume == pytest.approx(15.0 * 15.0 * 24.0, rel=0.03)
    assert set(fine.regions) == {3}
    low = fine.nodes.min(axis=0) - fine.spacing / 2.0
    np.testing.assert_allclose(low, [4.375, 4.375, 4.0], atol=0.4)
    turn = np.eye(4)
    c, s = np.cos(0.4), np.sin(0.4)
    turn[:3, :3] = 1.25 * np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    tilted = from_image(labels, turn, spacing=0.375)
    assert tilted.volume == pytest.approx(15.0 * 15.0 * 3.75, rel=0.03)
    back = np.linalg.inv(turn)
    index = np.rint(tilted.nodes @ back[:3, :3].T + back[:3, 3]).astype(int)
    assert labels[tuple(index.T)].all()


@pytest.mark.parametrize(
    ("labels", "affine", "spacing", "words"),
    [
        (np.zeros((3, 3, 3)), 1.0, None, "The mask is empty"),
        (np.full((3, 3, 3), 0.5), 1.0, None, "holds fractions"),
        (np.ones((3, 3)), 1.0, None, "three axes"),
        (np.ones((3, 3, 3)), (1.0, 1.0, 8.0), None, "sides are 1, 1 and 8 mm"),
        (np.ones((3, 3, 3)), np.zeros((4, 4)), None, "cannot be inverted"),
        (np.ones((3, 3, 3)), np.ones((2, 2)), None, "give \\(4, 4\\)"),
        (np.ones((3, 3, 3)), 1.0, -1.0, "more than 0"),
        (np.ones((3, 3, 3)), 1.0, 1e-4, "makes a grid of"),
    ],
)
def test_images_that_cannot_be_used(labels, affine, spacing, words):
    with pytest.raises(ValueError, match=words):
        from_image(labels, affine, spacing=spacing)


def test_an_image_sampled_too_coarsely():
    labels = np.zeros((9, 9, 9))
    labels[1:8:6, 1:8:6, 1:8:6] = 1.0  # eight single voxels, between the new centres
    with pytest.raises(ValueError, match="too coarse: no voxel remains"):
        from_image(labels, 1.0, spacing=3.5)


def test_nifti_without_nibabel_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(ImportError, match="cordax\\[imaging\\]"):
        from_nifti(tmp_path / "scar.nii.gz")


def test_nifti_is_an_image_with_its_affine(tmp_path, monkeypatch):
    class Image:
        dataobj = np.ones((2, 3, 4))
        affine = np.diag([0.5, 0.5, 0.5, 1.0])

    stand_in = type("nibabel", (), {"load": staticmethod(lambda path: Image)})
    monkeypatch.setitem(__import__("sys").modules, "nibabel", stand_in)
    assert from_nifti(tmp_path / "any.nii").shape == (2, 3, 4)


def test_meshes_that_make_no_voxels():
    mesh = Atrium().as_mesh(4.0)
    count = len(mesh.elements["triangle"])
    torn = mesh.only({"triangle": np.arange(count) != 7})
    with pytest.raises(ValueError, match="surface is open: 3 edges .* Close it"):
        from_mesh(torn, 1.0)
    with pytest.raises(ValueError, match="too coarse: the wall is"):
        from_mesh(LV.as_mesh(5.0), 8.0)
    with pytest.raises(ValueError, match="more than 0"):
        from_mesh(mesh, -1.0)
    lines = Mesh(nodes=mesh.nodes, elements={"line": np.array([[0, 1]], np.int32)})
    with pytest.raises(ValueError, match="the mesh holds line"):
        from_mesh(lines, 1.0)
    nodes = mesh.nodes.copy()
    nodes[0] = np.nan
    with pytest.raises(ValueError, match="finite coordinates"):
        from_mesh(replace(mesh, nodes=nodes), 1.0)
    # in metres taken for mm, the grid is 1e-3 of the heart; in um 1e3
    with pytest.raises(ValueError, match="mind the unit"):
        from_mesh(replace(mesh, nodes=mesh.nodes * 1e3), 1.0)
    # two hearts in one place cancel
    twice = Mesh(
        nodes=np.concatenate([mesh.nodes, mesh.nodes]),
        elements={
            "triangle": np.concatenate(
                [mesh.elements["triangle"], mesh.elements["triangle"] + mesh.n_node]
            )
        },
    )
    with pytest.raises(ValueError, match="enclose nothing|overlap"):
        from_mesh(twice, 1.0)


def test_the_real_surface(shared_data):
    mesh = read(shared_data("biv_cobiveco") / "geo1_heart.vtp")
    voxels = from_mesh(mesh, 1.0)
    # PROVENANCE.md: tetgen fills it with 144.8 mL; cut voxels cancel to 1e-3
    assert voxels.volume / 1000.0 == pytest.approx(144.8, rel=5e-3)
    assert voxels.components().max() == 0
    assert set(np.unique(voxels.fields["class"])) == {1, 2, 3, 4}


def test_the_real_tetrahedra(shared_data):
    folder = shared_data("rodero01_four_chamber")
    with np.load(folder / "rodero_01_fullheart_2.0mm.npz") as data:
        mesh = Mesh(
            nodes=data["points_mm"],
            elements={"tetra": data["tets"]},
            regions={"tetra": data["tet_volume_id"].astype(np.int32)},
            point_fields={"apicobasal": data["uvc_apico_basal"]},
        )
    voxels = from_mesh(mesh, 1.0)
    volumes = np.bincount(voxels.regions) / 1000.0
    # PROVENANCE.md, mL by region; thin walls of 1-2 mm count to 0.5 %
    wanted = [0.0, 125.8, 62.1, 26.1, 28.5, 10.9, 3.5, 38.3]
    assert volumes == pytest.approx(wanted, rel=0.005, abs=0.05)
    height = voxels.fields["apicobasal"]
    known = np.isfinite(height)
    assert known.any() and height[known].min() >= 0.0 and height[known].max() <= 1.0
