"""Generated hearts: their size, the quality of their elements, exact fibres."""

import numpy as np
import pytest

from physio.electrophysiology.anatomy.shapes import (
    Atrium,
    Biventricle,
    Cable,
    LeftVentricle,
    Ring,
    Sheet,
    Slab,
)
from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.check import check
from physio.electrophysiology.voxels.voxels import Voxels

LV, BIV = LeftVentricle(), Biventricle()


def spheroid(radius: float, length: float, base: float) -> float:
    """Volume (mm^3) of a spheroid around z below z = base."""
    thirds = (base**3 + length**3) / (3.0 * length**2)
    return np.pi * radius**2 * (base + length - thirds)


def lv_volume(lv: LeftVentricle) -> float:
    # confocal: the outer long axis keeps length^2 - radius^2
    outer = np.hypot(np.sqrt(lv.length**2 - lv.radius**2), lv.radius + lv.wall)
    whole = spheroid(lv.radius + lv.wall, float(outer), lv.base)
    return whole - spheroid(lv.radius, lv.length, lv.base)


def test_lv_has_its_volume_and_converges_to_it():
    errors = []
    for edge in (5.0, 2.5):
        mesh = LV.as_mesh(edge)
        errors.append(1.0 - mesh.measures("tetra").sum() / lv_volume(LV))
    # chords cut off a share of order edge^2: a quarter at half the edge, +- 30 %
    assert 0.0 < errors[1] < 0.012
    assert 2.8 < errors[0] / errors[1] < 5.2
    voxels = LV.as_voxels(1.0)
    # 87,000 voxels, of which 15 % are cut: their errors cancel to a part in 1e3
    assert voxels.volume == pytest.approx(lv_volume(LV), rel=5e-3)


@pytest.mark.parametrize(
    ("heart", "edge", "worst"),
    [
        # what was measured, less a tenth: slivers have angles of 1 degree or less
        (LV, 2.5, 22.0),
        (LeftVentricle(radius=15.0, length=40.0, wall=14.0, base=5.0), 2.0, 15.0),
        (BIV, 2.5, 8.0),
        (Slab(), 0.5, 40.0),
    ],
)
def test_tetrahedra_are_sound(heart, edge, worst):
    mesh = heart.as_mesh(edge)
    assert check(mesh) == []
    tetra = mesh.elements["tetra"]
    assert mesh.measures("tetra").min() > 0.0
    assert geometry.dihedral_angles(mesh.nodes, tetra).min() > worst
    # one connected closed surface: Euler characteristic 2 less 2 per handle
    faces = mesh.surface()
    alone, many = geometry.open_edges(faces)
    assert not len(alone) and not len(many)
    edges = mesh.edges()
    length = np.linalg.norm(mesh.nodes[edges[:, 1]] - mesh.nodes[edges[:, 0]], axis=1)
    assert 0.7 * edge < np.median(length) < 1.45 * edge
    low, high = heart.bounds()
    assert (mesh.nodes >= low - 1e-3 * edge).all()
    assert (mesh.nodes <= high + 1e-9).all()


def test_transmural_coordinate_is_exact_on_the_surfaces():
    mesh = LV.as_mesh(3.0)
    fields = mesh.point_fields
    for name, value in (("lv_endo", 0.0), ("epi", 1.0)):
        on = fields[name] == 1
        assert on.sum() > 100
        # nodes lie on the spheroids to rounding, arccosh loses half the digits
        assert np.abs(fields["transmural"][on] - value).max() < 1e-6
    base = fields["base"] == 1
    assert np.abs(mesh.nodes[base, 2] - LV.base).max() == 0.0
    assert np.abs(fields["apicobasal"][base] - 1.0).max() < 1e-9
    apex = np.argmin(mesh.nodes[:, 2])
    assert fields["apicobasal"][apex] < 1e-6
    # every node of the surface has a name
    named = (fields["lv_endo"] | fields["epi"] | fields["base"]) == 1
    assert named[np.unique(mesh.surface())].all()
    assert not named.all()


def helix(heart, angle: float) -> np.ndarray:
    """Measured helix angle (degrees) of the fibres at the given transmural share."""
    rng = np.random.default_rng(3)
    wall = heart._lv
    inner, outer = wall.ends
    across = np.full(50, inner + angle * (outer - inner))
    polar, azimuth = rng.uniform(0.6, 1.4, 50), rng.uniform(0.0, 2.0 * np.pi, 50)
    points = wall.points(across, polar, azimuth)
    found = heart.at(points)
    round_z = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros(50)], axis=1)
    # toward the base along the surface: a finite difference of the parametrisation
    ahead = wall.points(across, polar + 1e-6, azimuth) - points
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    along = np.einsum("ij,ij->i", found.fibres, round_z)
    return np.degrees(np.arctan2(np.einsum("ij,ij->i", found.fibres, ahead), along))


def test_fibres_turn_from_endocardium_to_epicardium():
    # the difference quotient of 1e-6 rad leaves 1e-4 degrees
    for share, wanted in ((0.0, 60.0), (0.25, 30.0), (0.5, 0.0), (1.0, -60.0)):
        assert np.abs(helix(LV, share) - wanted).max() < 1e-3
    steep = LeftVentricle(fibre_endo=80.0, fibre_epi=-40.0)
    assert np.abs(helix(steep, 0.5) - 20.0).max() < 1e-3
    # the check can fail: these fibres are not those of the default
    assert np.abs(helix(steep, 0.5) - 0.0).max() > 10.0


def test_the_point_at_plus_x_shows_the_sign():
    # at +x the outside is +x, the base +z: +60 degrees climbs while it turns left
    found = LV.at(np.array([[LV.radius, 0.0, 0.0]]))
    np.testing.assert_allclose(found.fibres, [[0.0, 0.5, np.sqrt(0.75)]], atol=1e-7)
    np.testing.assert_allclose(found.sheets, [[1.0, 0.0, 0.0]], atol=1e-7)


@pytest.mark.parametrize("heart", [LV, BIV, Atrium(20.0, 24.0, 28.0), Slab()])
def test_fibres_and_sheets_are_orthonormal_everywhere(heart):
    low, high = heart.bounds()
    points = np.random.default_rng(1).uniform(low, high, (2000, 3))
    found = heart.at(points)
    for vectors in (found.fibres, found.sheets):
        # a few roundings of unit vectors
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max() < 1e-12
    assert np.abs(np.einsum("ij,ij->i", found.fibres, found.sheets)).max() < 1e-12


def test_biventricle_has_two_cavities_and_a_septum():
    mesh = BIV.as_mesh(2.5)
    faces = mesh.surface()
    fields = mesh.point_fields
    marks = ("lv_endo", "rv_endo", "epi", "base")
    inner = {name: fields[name][faces].all(axis=1) for name in marks}
    for name in ("lv_endo", "rv_endo"):
        shown = geometry.components(
            mesh.n_node, geometry.element_edges(faces[inner[name]], "triangle")
        )
        assert shown.max() == 0  # one cavity is one surface
    assert not (inner["lv_endo"] & inner["rv_endo"]).any()
    # faces across a rim have corners with two names
    assert np.any([inner[name] for name in marks], axis=0).mean() > 0.98
    regions = mesh.regions["tetra"]
    assert set(np.unique(regions)) == {1, 2, 3}
    middle = mesh.centroids("tetra")
    assert (middle[regions == 3, 0] > 0.0).all()  # the septum is on the right's side
    assert middle[regions == 2, 0].mean() > middle[regions == 3, 0].mean()
    # the left ventricle alone, which the right one must not change
    assert mesh.measures("tetra")[regions != 2].sum() == pytest.approx(
        lv_volume(LV), rel=0.02
    )


def test_the_two_ways_to_voxels_agree():
    from physio.electrophysiology.voxels.voxelise import from_mesh

    direct = BIV.as_voxels(1.0)
    through = from_mesh(BIV.as_mesh(2.0), 1.0)
    # chords of 2 mm at a radius of 20 mm lie 0.03 mm beside the surface
    assert through.volume == pytest.approx(direct.volume, rel=0.02)
    assert direct.components().max() == 0
    for name in ("lv_endo", "rv_endo", "epi", "base"):
        on = direct.fields[name] == 1
        assert on.any() and direct.boundary()[on].all()
    named = sum(direct.fields[name] for name in ("lv_endo", "rv_endo", "epi", "base"))
    assert (named > 0)[direct.boundary()].all()


def test_atrium_is_a_closed_surface_of_even_triangles():
    heart = Atrium(20.0, 25.0, 30.0, fibre_epi=30.0)
    mesh = heart.as_mesh(2.0)
    assert check(mesh) == []
    assert np.linalg.norm(mesh.nodes / [20.0, 25.0, 30.0], axis=1) == pytest.approx(1.0)
    corners = mesh.elements["triangle"]
    euler = mesh.n_node - len(mesh.edges()) + len(corners)
    assert euler == 2
    a, b, c = (mesh.nodes[corners[:, k]] for k in range(3))
    normal = geometry.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", normal, a) > 0.0).all()
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # tangent to the surface at the middle of a triangle, to its angle edge / radius
    assert np.abs(np.einsum("ij,ij->i", mesh.fibres["triangle"], normal)).max() < 0.05
    voxels = heart.as_voxels(1.0)
    shell = 4.0 / 3.0 * np.pi * (20.0 * 25 * 30 - 17.5 * 22.5 * 27.5)
    assert voxels.volume == pytest.approx(shell, rel=0.01)
    assert set(voxels.fields) == {"transmural", "apicobasal", "endo", "epi"}


def test_flat_hearts():
    slab = Slab(fibre_endo=60.0, fibre_epi=-60.0)
    mesh, voxels = slab.as_mesh(0.5), slab.as_voxels(0.5)
    assert mesh.size == pytest.approx([20.0, 7.0, 3.0])
    assert mesh.measures("tetra").sum() == pytest.approx(420.0)
    assert voxels.shape == (40, 14, 6) and voxels.volume == pytest.approx(420.0)
    assert voxels.nodes[0] == pytest.approx([0.25, 0.25, 0.25])
    angle = np.degrees(np.arctan2(voxels.fibres[:, 1], voxels.fibres[:, 0]))
    assert angle == pytest.approx(60.0 - 120.0 * voxels.nodes[:, 2] / 3.0)
    sheet = Sheet(10.0, 5.0, fibre=30.0)
    flat = sheet.as_mesh(0.5)
    assert flat.measures("triangle").sum() == pytest.approx(50.0)
    assert flat.fibres["triangle"][0] == pytest.approx([np.sqrt(0.75), 0.5, 0.0])
    assert sheet.as_voxels(0.5).shape == (20, 10, 1)
    assert np.all(sheet.as_voxels(0.5).nodes[:, 2] == 0.0)


def test_cables_and_rings():
    cable = Cable(20.0).as_mesh(0.2)
    assert cable.n_node == 101 and cable.measures("line") == pytest.approx(0.2)
    assert Cable(20.0).as_voxels(0.2).shape == (100, 1, 1)
    ring = Ring(100.0).as_mesh(0.5)
    assert len(ring.elements["line"]) == ring.n_node == 200
    assert (np.bincount(ring.elements["line"].ravel()) == 2).all()
    # a polygon of 200 sides is 4e-5 shorter than its circle
    assert ring.measures("line").sum() == pytest.approx(100.0, rel=1e-4)
    band = Ring(100.0, width=4.0)
    area = band.as_mesh(0.5).measures("triangle").sum()
    assert area == pytest.approx(400.0, rel=1e-3)
    around = band.as_voxels(0.5)
    assert around.volume / 0.5 == pytest.approx(400.0, rel=0.02)
    assert around.components().max() == 0
    radial = np.einsum("ij,ij->i", around.fibres, around.nodes)
    assert np.abs(radial).max() < 1e-12 * 20.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LeftVentricle(radius=50.0), "longer than wide"),
        (lambda: LeftVentricle(base=60.0), "does not cut the cavity"),
        (lambda: LeftVentricle(wall=0.0), "wall of a LeftVentricle is 0.0 mm"),
        (lambda: Biventricle(rv_shift=1.0), "larger rv_shift"),
        (lambda: Atrium(wall=30.0), "fills the atrium"),
        (lambda: Ring(10.0, width=9.0), "less than its diameter"),
        (lambda: Ring(100.0).as_voxels(0.5), "Ring\\(100, width=1.5\\)"),
        (lambda: LV.as_mesh(20.0), "Give an edge from 0 to the wall"),
        (lambda: BIV.as_mesh(0.0), "Give an edge from 0 to the wall"),
        (lambda: Slab().as_mesh(-1.0), "more than 0"),
        (lambda: Slab().as_voxels(0.0), "more than 0"),
        (lambda: Atrium(wall=0.01).as_voxels(15.0), "too coarse"),
    ],
)
def test_sizes_that_make_no_heart(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_voxels_of_every_heart_say_their_regions():
    for heart in (LV, BIV, Slab(), Sheet(), Cable(), Atrium()):
        voxels = heart.as_voxels(2.0)
        assert isinstance(voxels, Voxels) and len(voxels.regions) == voxels.n_node
